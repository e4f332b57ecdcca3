/* The table of the server's variables: names, kinds, bounds, defaults, and where each one's value goes. */
#ifndef SRV_CONFIG_TABLE_H
#define SRV_CONFIG_TABLE_H

#include "config.h"

#define SRV_STRINGIZE_(x) #x
#define SRV_STRINGIZE(x)  SRV_STRINGIZE_(x)
#define SRV_VERSION                                                                                                    \
    SRV_STRINGIZE(AIVO_VERSION_MAJOR) "." SRV_STRINGIZE(AIVO_VERSION_MINOR) "." SRV_STRINGIZE(AIVO_VERSION_PATCH)

enum {
    SRV_VAR_HOST,
    SRV_VAR_PORT,
    SRV_VAR_REUSE_PORT,
    SRV_VAR_NEXTAUTH_SECRET,
    SRV_VAR_JWT_PUBLIC_KEY_PATH,
    SRV_VAR_CORS_ORIGIN,
    SRV_VAR_REDIS_HOST,
    SRV_VAR_REDIS_PORT,
    SRV_VAR_REDIS_USERNAME,
    SRV_VAR_REDIS_PASSWORD,
    SRV_VAR_REDIS_PREFIX,
    SRV_VAR_SSL_ENABLED,
    SRV_VAR_SSL_KEY_PATH,
    SRV_VAR_SSL_CERT_PATH,
    SRV_VAR_SSL_CA_PATH,
    SRV_VAR_SSL_PASSPHRASE,
    SRV_VAR_RATE_LIMIT_WINDOW_MS,
    SRV_VAR_RATE_LIMIT_MAX_MESSAGES,
    SRV_VAR_RATE_LIMIT_USER_PER_MINUTE,
    SRV_VAR_RATE_LIMIT_USER_BURST,
    SRV_VAR_RATE_LIMIT_ADDRESS_PER_MINUTE,
    SRV_VAR_RATE_LIMIT_ADDRESS_BURST,
    SRV_VAR_TRUSTED_PROXIES,
    SRV_VAR_MAX_CONNECTIONS_PER_ADDRESS,
    SRV_VAR_MAX_PENDING_HANDSHAKES,
    SRV_VAR_MAX_SEND_QUEUE_BYTES,
    SRV_VAR_HEADER_TIMEOUT_MS,
    SRV_VAR_BODY_TIMEOUT_MS,
    SRV_VAR_UPGRADE_TIMEOUT_MS,
    SRV_VAR_PING_INTERVAL_MS,
    SRV_VAR_PING_TIMEOUT_MS,
    SRV_VAR_CONNECT_TIMEOUT_MS,
    SRV_VAR_MAX_PAYLOAD_BYTES,
    SRV_VAR_SESSION_IDLE_MS,
    SRV_VAR_RECOVERY_MS,
    SRV_VAR_RECOVERY_MAX_EVENTS,
    SRV_VAR_RECOVERY_MAX_BYTES,
    SRV_VAR_DRAIN_SPREAD_MS,
    SRV_VAR_AGENT_URL,
    SRV_VAR_AGENT_TOKEN,
    SRV_VAR_AGENT_CA_PATH,
    SRV_VAR_AGENT_TIMEOUT_MS,
    SRV_VAR_AGENT_MAX_IN_FLIGHT,
    SRV_VAR_AGENT_MAX_WAITING,
    SRV_VAR_LOG_LEVEL,
    SRV_VAR_LOG_FORMAT,
    SRV_VAR_BENCH_EVENTS,
    SRV_VAR_TEST_HANDLER_DELAY_MS,
    SRV_VARIABLE_COUNT
};

enum srv_kind {
    SRV_KIND_STRING, /* char *, NULL where empty */
    SRV_KIND_U16,
    SRV_KIND_U32,
    SRV_KIND_BOOL,
    SRV_KIND_LEVEL,  /* enum srv_log_level_setting */
    SRV_KIND_FORMAT, /* bool: json */
};

struct srv_variable {
    const char *name;
    enum srv_kind kind;
    size_t offset; /* in struct srv_config */
    uint32_t min, max;
    const char *fallback; /* the default, as text */
    const char *help;
    bool secret; /* never printed */
};
extern const struct srv_variable srv_variables[SRV_VARIABLE_COUNT];

void *srv_variable_field(struct srv_config *config, int variable);
/* All three: -1 if there is none. */
int srv_variable_by_name(const char *name, size_t len);
int srv_variable_by_flag(const char *flag, size_t len); /* "--port" */
/* The variable whose name (or flag) this is a likely slip of the pen for. */
int srv_variable_near(const char *name, size_t len, bool flag);
/* "PORT" -> "--port" */
void srv_variable_flag(int variable, char *out, size_t size);
void srv_variables_help(struct aivo_buf *out);

/* Overwrites, frees and forgets. */
void srv_wipe_free(char **text);

#endif
