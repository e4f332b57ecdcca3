/* The place of the experiments: this process' network namespace, a second one, and a TUN device in each. */
#ifndef AIVO_NETLAB_SITE_H
#define AIVO_NETLAB_SITE_H

#include <stdbool.h>
#include <sys/types.h>

#define SITE_SERVERS 4

struct site {
    int near, far; /* the devices */
    pid_t servers[SITE_SERVERS];
    char dir[64]; /* of its own: the servers' working directory */
};

/* Called inside a network namespace of our own. far side: every address 10.77.0.0/17 is there, and the servers listen
 * on it: port 4001 plain, 4002 plain with a handler that takes 300 ms, 4003 TLS. false: why is on standard error. */
bool site_open(struct site *site, const char *server);
void site_close(struct site *site);

#endif
