import { runCollector } from '@magpie/collector-kit';
import source from './source.ts';

await runCollector(source);
