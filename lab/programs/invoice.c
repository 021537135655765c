// invoice --item NAME --template FILE: prints an invoice from a template. Trusts its caller with the file name, as such programs do.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef VERSION
#define VERSION "2.0"
#endif

enum { RENDERING_MS = 1200 };

int main(int argc, char **argv) {
  const char *item = "nothing", *template = "/opt/orders/templates/invoice.txt";
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--item")) item = argv[i + 1];
    if (!strcmp(argv[i], "--template")) template = argv[i + 1];
  }
  printf("invoice %s: %s\n", VERSION, item);
  FILE *file = fopen(template, "r");
  if (!file) {
    perror(template);
    return 1;
  }
  char text[512];
  size_t length = fread(text, 1, sizeof text, file);
  usleep(RENDERING_MS * 1000);
  fwrite(text, 1, length, stdout);
  return 0;
}
