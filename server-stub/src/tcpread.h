/* How much of what a TCP connection received was read by this process. 0: unknown. */
#ifndef SRV_TCPREAD_H
#define SRV_TCPREAD_H

#include <stdint.h>

uint64_t srv_tcp_consumed(int fd);

#endif
