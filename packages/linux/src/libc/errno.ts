// Numbers of errors that are told apart where throwing would cost too much. Source: asm-generic/errno-base.h, errno.h.
export const ERRNO = {
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EAGAIN: 11,
  EEXIST: 17,
  ECONNABORTED: 103,
} as const;
