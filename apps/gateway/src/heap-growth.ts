/**
 * The bytes of an upload come as buffers outside the heap, which count as its growth. With a small heap V8 lets that be
 * a few MB, and then goes through all of it: once for every 8 MB that came, more than half of the processor's time.
 * With this it does so a third as often; measured over 2 GiB, the process needs no more memory for it.
 */
import { setFlagsFromString } from 'node:v8';

// By so much of what is held the heap may grow before it is collected again.
setFlagsFromString('--heap-growing-percent=60');
