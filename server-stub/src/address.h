/*
 * Addresses of peers, and who they are behind proxies that we trust. Pure; the input is any peer's.
 */
#ifndef SRV_ADDRESS_H
#define SRV_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SRV_ADDRESS_TEXT  48 /* bytes of a text, NUL included */
#define SRV_NETS_MAX      64 /* trusted networks */
#define SRV_FORWARDED_MAX 32 /* entries of X-Forwarded-For that are looked at, from the right */

struct sockaddr;

/* IPv6, or IPv4 mapped into it. All zero: none (a Unix socket). */
struct srv_address {
    uint8_t bytes[16];
};

struct srv_net {
    struct srv_address address;
    unsigned bits; /* of 128 */
};

struct srv_nets {
    unsigned count;
    struct srv_net list[SRV_NETS_MAX];
};

void srv_address_of_sockaddr(const struct sockaddr *sa, struct srv_address *out);
/* "192.0.2.1", "2001:db8::1", also "[2001:db8::1]:443" and "192.0.2.1:443", as proxies write them. */
bool srv_address_parse(const char *text, size_t len, struct srv_address *out);
void srv_address_format(const struct srv_address *address, char out[SRV_ADDRESS_TEXT]);
bool srv_address_is_none(const struct srv_address *address);
/* What limits count by: an IPv4 address, or the /64 that an IPv6 customer gets. Never 0. */
uint64_t srv_address_key(const struct srv_address *address);

/* Comma-separated addresses and networks ("10.0.0.0/8, ::1"). false: error says what is wrong. NULL: none. */
bool srv_nets_parse(struct srv_nets *nets, const char *list, char *error, size_t error_size);
bool srv_nets_contain(const struct srv_nets *nets, const struct srv_address *address);

/* Whose request it is that came from `from` with this X-Forwarded-For (NULL: none). Only what proxies of `nets` say
 * counts, so the list is read from the right, up to the first who is no proxy of ours. An entry that is no address ends
 * it: then the proxy itself is the client. */
void srv_address_client(const struct srv_nets *nets, const struct srv_address *from, const char *forwarded, size_t len,
                        struct srv_address *out);

#endif
