/* Numeric addresses as text. Pure. */
#ifndef AIVO_CORE_IPADDR_H
#define AIVO_CORE_IPADDR_H

#include <stddef.h>
#include <stdint.h>

/* Parses "192.0.2.1" or "2001:db8::1" (no brackets, no zone): 4 or 6, with the address in the first 4 or 16 bytes of
 * out; 0 if it is neither. Only the full dotted form is IPv4, without leading zeros. */
int aivo_ipaddr_parse(const char *text, size_t len, uint8_t out[16]);

#endif
