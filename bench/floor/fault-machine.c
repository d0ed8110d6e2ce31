// The bench's machine: memory that somebody else fills. usage: fault-machine SOCKET PAGES STRIDE
// Touches one page in each STRIDE pages, in random order, and prints how many it touched and the nanoseconds it took.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void hand_over(const char *path, int uffd, const char *text) {
  int connection = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  if (connect(connection, (struct sockaddr *)&address, sizeof address)) die("connect");
  char control[CMSG_SPACE(sizeof uffd)] = {0};
  struct iovec part = {.iov_base = (void *)text, .iov_len = strlen(text)};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof uffd);
  memcpy(CMSG_DATA(header), &uffd, sizeof uffd);
  if (sendmsg(connection, &message, 0) < 0) die("sendmsg");
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  uint64_t pages = strtoul(argv[2], 0, 10), stride = strtoul(argv[3], 0, 10);
  int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  struct uffdio_api api = {.api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE};
  if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api)) die("userfaultfd");
  char *memory = mmap(0, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  struct uffdio_register range = {.range = {.start = (uint64_t)memory, .len = pages * PAGE},
                                  .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (ioctl(uffd, UFFDIO_REGISTER, &range)) die("UFFDIO_REGISTER");

  uint64_t count = pages / stride;
  uint32_t *order = malloc(count * sizeof *order);
  for (uint64_t i = 0; i < count; i++) order[i] = (uint32_t)i;
  srandom(1);
  for (uint64_t i = count - 1; i > 0; i--) {
    uint64_t other = (uint64_t)random() % (i + 1);
    uint32_t kept = order[i];
    order[i] = order[other];
    order[other] = kept;
  }

  char text[256];
  snprintf(text, sizeof text,
           "[{\"base_host_virt_addr\":%lu,\"size\":%lu,\"offset\":0,\"page_size\":4096,\"page_size_kib\":4096}]",
           (unsigned long)memory, pages * PAGE);
  hand_over(argv[1], uffd, text);
  volatile char *first = memory;
  // The first one waits until the other side is ready.
  (void)first[order[0] * stride * PAGE];
  uint64_t began = now();
  for (uint64_t i = 1; i < count; i++) (void)first[order[i] * stride * PAGE];
  printf("%lu %lu\n", count - 1, now() - began);
  return 0;
}
