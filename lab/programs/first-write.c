// A program whose very first instructions write one byte to descriptor 9: if that byte is missing, not one of them ran.
// Built without libc, so that nothing runs before.

static long call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

void _start(void) {
  call(1, 9, (long)"R", 1);
  call(60, 0, 0, 0);
  for (;;) continue;
}
