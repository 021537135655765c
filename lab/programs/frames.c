/* Sends one Ethernet frame, given in hexadecimal, so many times by a device: what it holds is nobody's business but the caller's.
   frames DEVICE COUNT HEX */
#include <linux/if_packet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  unsigned char frame[1600];
  size_t size = strlen(argv[3]) / 2;
  if (size < 14 || size > sizeof frame) return 2;
  for (size_t at = 0; at < size; at += 1) {
    unsigned byte;
    if (sscanf(argv[3] + 2 * at, "%2x", &byte) != 1) return 2;
    frame[at] = byte;
  }
  int s = socket(AF_PACKET, SOCK_RAW, htons(3));
  struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1]), .sll_halen = 6};
  memcpy(to.sll_addr, frame, 6);
  if (s < 0 || to.sll_ifindex == 0) return 1;
  int sent = 0;
  for (int number = 0; number < atoi(argv[2]); number += 1) {
    if (sendto(s, frame, size, 0, (struct sockaddr *)&to, sizeof to) == (ssize_t)size) sent += 1;
    /* A switch in user space must be able to keep up. */
    if (number % 16 == 15) usleep(1000);
  }
  printf("%d\n", sent);
  return 0;
}
