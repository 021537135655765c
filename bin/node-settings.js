// How Node is to run Plumbline: it is a guest on its users' hosts and watches for years, so that memory counts for more than the last
// percent of speed. A sentinel that watches three VMs takes half of what it takes with Node's own settings.
'use strict';

// New objects are collected after one megabyte and not after sixteen: hardly any of them outlive the look they were made for.
// What a rare large task leaves behind is collected when it is done (--expose-gc): hours may pass before Node would by itself.
// One helper thread of V8 is enough for so small a heap, and code is kept small before it is made fast.
exports.args = ['--max-semi-space-size=1', '--expose-gc', '--v8-pool-size=1', '--optimize-for-size'];

// glibc: large buffers are given back when they are freed, rather than kept for the next one; threads share one arena.
exports.env = { MALLOC_TRIM_THRESHOLD_: '131072', MALLOC_ARENA_MAX: '1' };
