/*
 * What the server is told before it starts: flags over the real environment over the .env file over the defaults.
 * Reading performs no output and never exits: it fills an outcome that main() prints and obeys, so tests see it all.
 */
#ifndef SRV_CONFIG_H
#define SRV_CONFIG_H

#include "buf.h"
#include <stdbool.h>
#include <stdint.h>

#define SRV_CONFIG_MAX_FILE_BYTES 65536 /* a longer .env is refused */
#define SRV_CONFIG_MAX_LINE_BYTES 4096  /* one logical line, i.e. with the further lines of a quoted value */

#define SRV_CONFIG_EXIT_USAGE  64 /* EX_USAGE: a flag that is unknown or makes no sense */
#define SRV_CONFIG_EXIT_CONFIG 78 /* EX_CONFIG: a value that cannot be used */

/* The secret the development tools mint tokens with. Never accepted where others could connect. */
#define SRV_CONFIG_DEVELOPMENT_SECRET "aivo-development-secret-do-not-use-in-production"

enum srv_log_level_setting {
    SRV_LEVEL_ERROR = 0,
    SRV_LEVEL_WARN,
    SRV_LEVEL_INFO,
    SRV_LEVEL_DEBUG,
};

/* All strings are owned by the config; NULL where the variable is unset (or set to the empty string). */
struct srv_config {
    char *host;    /* a numeric address or a name; never NULL */
    uint16_t port; /* 0: any free port */

    char *jwt_secret; /* HS256; NULL if jwt_public_key_path is set: the key's source fixes the algorithm */
    bool jwt_secret_is_development; /* the default is in use (then host is loopback) */
    char *jwt_public_key_path;      /* PEM, RSA (RS256) or P-256 (ES256) */

    char *cors_origin; /* comma-separated, or "*"; never NULL; checked to be a list that srv_cors_new() takes */

    char *redis_host; /* NULL: this instance is all there is */
    uint16_t redis_port;
    char *redis_username, *redis_password, *redis_prefix;

    char *agent_url;           /* NULL: the built-in agents; http or https, without user and password */
    char *agent_token;         /* goes with each request */
    char *agent_ca_path;       /* replaces the system's authorities */
    uint32_t agent_timeout_ms; /* 1..600,000 */
    uint32_t agent_max_in_flight, agent_max_waiting;

    bool ssl_enabled;
    char *ssl_key_path, *ssl_cert_path; /* never NULL if ssl_enabled */
    char *ssl_ca_path;                  /* set: clients must show a certificate of this CA */
    char *ssl_passphrase;

    uint32_t rate_limit_window_ms;              /* 1..86,400,000 */
    uint32_t rate_limit_max_messages;           /* 0: no limit; ..1,000,000,000 */
    uint32_t user_per_minute, user_burst;       /* token buckets: 0 a minute is no limit; a burst of 0 is a minute's */
    uint32_t address_per_minute, address_burst; /* the same for each address (IPv6: each /64) */

    char *trusted_proxies;                /* addresses and networks, comma-separated; NULL: none */
    uint32_t max_connections_per_address; /* 0: no limit */
    uint32_t max_pending_handshakes;      /* connections without a request, sessions without a namespace; 0: no limit */
    uint32_t max_send_queue_bytes;        /* of a connection; 0: 4 MB, or four payloads if that is more */
    uint32_t header_timeout_ms;           /* from accept() to a whole request head, TLS included; 100..600,000 */
    uint32_t body_timeout_ms;             /* from a request's head to the end of its body; 100..3,600,000 */
    uint32_t upgrade_timeout_ms;          /* 100..600,000 */
    uint32_t drain_spread_ms;             /* 0..6,000 */
    bool reuse_port;

    uint32_t ping_interval_ms;   /* 1..86,400,000 */
    uint32_t ping_timeout_ms;    /* 1..86,400,000 */
    uint32_t connect_timeout_ms; /* 1..3,600,000: from the Engine.IO handshake to the Socket.IO CONNECT */
    uint32_t max_payload_bytes;  /* 256..1 GiB */
    uint32_t session_idle_ms;    /* 0: agent sessions are not ended for idleness; ..86,400,000 */

    uint32_t recovery_ms; /* 0: no connection state recovery; ..86,400,000 */
    uint32_t recovery_max_events, recovery_max_bytes;

    enum srv_log_level_setting log_level;
    bool log_json;

    bool conformance;
    bool bench_events;              /* bench:broadcast beside authentication; loopback only (conformance implies it) */
    uint32_t test_handler_delay_ms; /* 0 but with conformance; ..600,000 */
};

enum srv_config_action {
    SRV_CONFIG_RUN,  /* print err (warnings), then serve */
    SRV_CONFIG_EXIT, /* print out to stdout, err to stderr, exit with exit_code */
};

struct srv_config_outcome {
    enum srv_config_action action;
    int exit_code;
    struct aivo_buf out, err; /* whole lines; data is NULL if there is nothing to print */
};

/* Reads everything. envp is the environment (NULL-terminated "NAME=value"; may be NULL). config must not have been
 * filled yet; after SRV_CONFIG_EXIT it holds nothing. argv[0] is skipped. */
void srv_config_load(struct srv_config *config, int argc, const char *const *argv, const char *const *envp,
                     struct srv_config_outcome *outcome);
void srv_config_outcome_free(struct srv_config_outcome *outcome);
/* Frees the strings (secrets are wiped first) and zeroes the struct. NULL is fine. */
void srv_config_free(struct srv_config *config);

/* Appends NAME=value lines, one a variable, secrets as ********, as --check prints them. */
void srv_config_print(const struct srv_config *config, struct aivo_buf *out);

/* Is this host (numeric, or "localhost") one that only this machine can reach? */
bool srv_config_is_loopback(const char *host);

#endif
