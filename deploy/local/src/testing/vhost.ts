import { randomBytes } from 'node:crypto';
import { rabbitmqctl } from '../rabbitmq.ts';

export interface TestVhost {
  name: string;
  amqpUrl: string;
  /** Deletes the virtual host with all that is in it. */
  drop(): Promise<void>;
}

/**
 * A new, empty virtual host on the test run's RabbitMQ. Takes a second or two each way; a name prefix on
 * exchanges and queues is cheaper where that is enough. Throws when this RabbitMQ is not ours to command.
 */
export async function freshVhost(): Promise<TestVhost> {
  const url = process.env['MAGPIE_TEST_AMQP_URL'];
  const script = process.env['MAGPIE_TEST_RABBITMQCTL'];
  if (!url || !script)
    throw new Error('freshVhost needs the servers of the test run (MAGPIE_TEST_RABBITMQCTL)');
  const name = `test-${randomBytes(6).toString('hex')}`;
  const user = decodeURIComponent(new URL(url).username || 'guest');
  const grant = 'rabbit_auth_backend_internal:set_permissions';
  const made = [
    `ok = rabbit_vhost:add(<<"${name}">>, <<"test">>)`,
    `ok = ${grant}(<<"${user}">>, <<"${name}">>, <<".*">>, <<".*">>, <<".*">>, <<"test">>)`,
  ];
  await rabbitmqctl(script, ['eval', `${made.join(', ')}.`]);
  return {
    name,
    amqpUrl: `${url.replace(/\/$/, '')}/${name}`,
    drop: async () => {
      await rabbitmqctl(script, ['delete_vhost', name]);
    },
  };
}
