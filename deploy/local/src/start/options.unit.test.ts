import { HELP, parseStart } from './options.ts';

const parse = (...args: string[]) => parseStart(args, {});

it('collects the bundled site alone unless told otherwise', () => {
  expect(parse()).toMatchObject({ site: true, demo: false, data: '.magpie', port: 8080, urls: [] });
  expect(parse('--no-demo')).toMatchObject({ site: false, demo: false, data: '.magpie' });
});

it('keeps a demo apart, unless a directory is named', () => {
  expect(parse('--demo')).toMatchObject({ site: true, demo: true, data: '.magpie/demo' });
  expect(parseStart(['--demo'], { MAGPIE_DATA: '/srv/m' }).data).toBe('/srv/m/demo');
  expect(parse('--demo', '--data', '/srv/d').data).toBe('/srv/d');
  expect(() => parse('--demo', '--no-demo')).toThrow('--no-demo');
  expect(HELP).toContain('--demo ');
});

it('takes replicas of any collector', () => {
  expect(parse('--replicas', 'youtube-search=3', '--replicas', 'storage=2').replicas).toEqual({
    'youtube-search': 3,
    storage: 2,
  });
  expect(() => parse('--replicas', 'youtube-search')).toThrow('NAME=N');
});
