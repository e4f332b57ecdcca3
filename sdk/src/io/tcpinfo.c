#include "tcpinfo.h"

#ifdef __linux__

#include <linux/tcp.h> /* the C library's struct tcp_info ends too early, and <netinet/tcp.h> clashes with this */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define HAS(member, len) ((len) >= offsetof(struct tcp_info, member) + sizeof(((struct tcp_info *)0)->member))

bool aivo_tcpinfo_read(int fd, struct aivo_path *out)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || !HAS(tcpi_data_segs_out, len))
        return false; /* data_segs_out is of Linux 4.6 */
    *out = (struct aivo_path){
        .has_dsack = HAS(tcpi_dsack_dups, len), /* an older kernel fills in less */
        .total_retrans = info.tcpi_total_retrans,
        .dsack_dups = info.tcpi_dsack_dups,
        .data_segs_out = info.tcpi_data_segs_out,
        .retransmits = info.tcpi_retransmits,
        .unacked = info.tcpi_unacked,
        .notsent_bytes = info.tcpi_notsent_bytes,
        .rtt_us = info.tcpi_rtt,
        .rttvar_us = info.tcpi_rttvar,
        .min_rtt_us = info.tcpi_min_rtt,
        .last_data_recv_ms = info.tcpi_last_data_recv,
        .last_ack_recv_ms = info.tcpi_last_ack_recv,
        .last_data_sent_ms = info.tcpi_last_data_sent,
    };
    return true;
}

#else

bool aivo_tcpinfo_read(int fd, struct aivo_path *out)
{
    (void)fd;
    (void)out;
    return false;
}

#endif
