/* A file of its own: the kernel's header and the C library's name the same structures. */
#include "tcpread.h"
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

uint64_t srv_tcp_consumed(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    int waiting = 0;
    memset(&info, 0, sizeof info);
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || ioctl(fd, FIONREAD, &waiting) != 0)
        return 0;
    uint64_t received = info.tcpi_bytes_received, unread = waiting > 0 ? (uint64_t)waiting : 0;
    return received > unread ? received - unread : 0;
}
