/* What the kernel knows of a TCP connection. Linux only; elsewhere it says so. */
#ifndef AIVO_IO_TCPINFO_H
#define AIVO_IO_TCPINFO_H

#include "path.h"

/* false: no such socket, no TCP, or no such system; *out is untouched. */
bool aivo_tcpinfo_read(int fd, struct aivo_path *out);

#endif
