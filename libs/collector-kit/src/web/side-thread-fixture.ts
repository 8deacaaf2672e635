// For tests: a thread that does as it is told.
import { serveSideThread } from './side-thread.ts';

serveSideThread((task: { do: 'double' | 'hang' | 'throw' | 'eat' | 'exit'; n: number }) => {
  if (task.do === 'hang') for (;;);
  if (task.do === 'throw') throw new Error('could not');
  if (task.do === 'exit') process.exit(3);
  if (task.do === 'eat') {
    const eaten: unknown[] = [];
    for (;;) eaten.push(new Array(10_000).fill(eaten.length));
  }
  return task.n * 2;
});
