#include "config_table.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(member) offsetof(struct srv_config, member)
#define DAY_MS        86400000U
#define MOST_A_MINUTE 1000000U

const struct srv_variable srv_variables[SRV_VARIABLE_COUNT] = {
    [SRV_VAR_HOST] = {"HOST", SRV_KIND_STRING, FIELD(host), 0, 0, "127.0.0.1", "address to listen on", false},
    [SRV_VAR_PORT] = {"PORT", SRV_KIND_U16, FIELD(port), 0, 65535, "4003", "port; 0 picks a free one", false},
    [SRV_VAR_REUSE_PORT] = {"REUSE_PORT", SRV_KIND_BOOL, FIELD(reuse_port), 0, 0, "false",
                            "several servers may listen on the same port (SO_REUSEPORT)", false},
    [SRV_VAR_NEXTAUTH_SECRET] = {"NEXTAUTH_SECRET", SRV_KIND_STRING, FIELD(jwt_secret), 0, 0, "",
                                 "secret of HS256 tokens; unset: the development secret, on loopback only", true},
    [SRV_VAR_JWT_PUBLIC_KEY_PATH] = {"JWT_PUBLIC_KEY_PATH", SRV_KIND_STRING, FIELD(jwt_public_key_path), 0, 0, "",
                                     "PEM file: RSA for RS256 tokens, P-256 for ES256; replaces the secret", false},
    [SRV_VAR_CORS_ORIGIN] = {"CORS_ORIGIN", SRV_KIND_STRING, FIELD(cors_origin), 0, 0, "http://localhost:3000",
                             "allowed origins of web pages, comma-separated, or *", false},
    [SRV_VAR_REDIS_HOST] = {"REDIS_HOST", SRV_KIND_STRING, FIELD(redis_host), 0, 0, "",
                            "address or name of a Redis that joins several servers", false},
    [SRV_VAR_REDIS_PORT] = {"REDIS_PORT", SRV_KIND_U16, FIELD(redis_port), 1, 65535, "6379", "its port", false},
    [SRV_VAR_REDIS_USERNAME] = {"REDIS_USERNAME", SRV_KIND_STRING, FIELD(redis_username), 0, 0, "", "its user", false},
    [SRV_VAR_REDIS_PASSWORD] = {"REDIS_PASSWORD", SRV_KIND_STRING, FIELD(redis_password), 0, 0, "", "its password",
                                true},
    [SRV_VAR_REDIS_PREFIX] = {"REDIS_PREFIX", SRV_KIND_STRING, FIELD(redis_prefix), 0, 0, "socket.io",
                              "what its channels' names begin with", false},
    [SRV_VAR_SSL_ENABLED] = {"SSL_ENABLED", SRV_KIND_BOOL, FIELD(ssl_enabled), 0, 0, "false",
                             "serve https and wss instead of http and ws", false},
    [SRV_VAR_SSL_KEY_PATH] = {"SSL_KEY_PATH", SRV_KIND_STRING, FIELD(ssl_key_path), 0, 0, "",
                              "PEM file of the private key", false},
    [SRV_VAR_SSL_CERT_PATH] = {"SSL_CERT_PATH", SRV_KIND_STRING, FIELD(ssl_cert_path), 0, 0, "",
                               "PEM file of the certificate and its chain", false},
    [SRV_VAR_SSL_CA_PATH] = {"SSL_CA_PATH", SRV_KIND_STRING, FIELD(ssl_ca_path), 0, 0, "",
                             "PEM file: clients must show a certificate of these authorities", false},
    [SRV_VAR_SSL_PASSPHRASE] = {"SSL_PASSPHRASE", SRV_KIND_STRING, FIELD(ssl_passphrase), 0, 0, "",
                                "passphrase of the private key", true},
    [SRV_VAR_RATE_LIMIT_WINDOW_MS] = {"RATE_LIMIT_WINDOW_MS", SRV_KIND_U32, FIELD(rate_limit_window_ms), 1, DAY_MS,
                                      "60000", "sliding window of the rate limit", false},
    [SRV_VAR_RATE_LIMIT_MAX_MESSAGES] = {"RATE_LIMIT_MAX_MESSAGES", SRV_KIND_U32, FIELD(rate_limit_max_messages), 0,
                                         1000000000, "100", "messages of a connection in the window; 0: no limit",
                                         false},
    [SRV_VAR_RATE_LIMIT_USER_PER_MINUTE] = {"RATE_LIMIT_USER_PER_MINUTE", SRV_KIND_U32, FIELD(user_per_minute), 0,
                                            MOST_A_MINUTE, "0",
                                            "messages of a user, all connections together; 0: no limit", false},
    [SRV_VAR_RATE_LIMIT_USER_BURST] = {"RATE_LIMIT_USER_BURST", SRV_KIND_U32, FIELD(user_burst), 0, MOST_A_MINUTE, "0",
                                       "how many of them at once; 0: a minute's", false},
    [SRV_VAR_RATE_LIMIT_ADDRESS_PER_MINUTE] = {"RATE_LIMIT_ADDRESS_PER_MINUTE", SRV_KIND_U32, FIELD(address_per_minute),
                                               0, MOST_A_MINUTE, "0",
                                               "messages of an address (IPv6: of a /64); 0: no limit", false},
    [SRV_VAR_RATE_LIMIT_ADDRESS_BURST] = {"RATE_LIMIT_ADDRESS_BURST", SRV_KIND_U32, FIELD(address_burst), 0,
                                          MOST_A_MINUTE, "0", "how many of them at once; 0: a minute's", false},
    [SRV_VAR_TRUSTED_PROXIES] = {"TRUSTED_PROXIES", SRV_KIND_STRING, FIELD(trusted_proxies), 0, 0, "",
                                 "addresses or networks whose X-Forwarded-For is believed, comma-separated", false},
    [SRV_VAR_MAX_CONNECTIONS_PER_ADDRESS] = {"MAX_CONNECTIONS_PER_ADDRESS", SRV_KIND_U32,
                                             FIELD(max_connections_per_address), 0, 65536, "0",
                                             "of an address (IPv6: of a /64); 0: no limit", false},
    [SRV_VAR_MAX_PENDING_HANDSHAKES] = {"MAX_PENDING_HANDSHAKES", SRV_KIND_U32, FIELD(max_pending_handshakes), 0, 65536,
                                        "4096", "connections that have not said what they want; 0: no limit", false},
    [SRV_VAR_MAX_SEND_QUEUE_BYTES] = {"MAX_SEND_QUEUE_BYTES", SRV_KIND_U32, FIELD(max_send_queue_bytes), 0, 1U << 30,
                                      "0", "what may wait for a slow client; 0: 4 MB, or four payloads if more", false},
    [SRV_VAR_HEADER_TIMEOUT_MS] = {"HEADER_TIMEOUT_MS", SRV_KIND_U32, FIELD(header_timeout_ms), 100, 600000, "10000",
                                   "how long a connection may take to its first request, TLS included", false},
    [SRV_VAR_BODY_TIMEOUT_MS] = {"BODY_TIMEOUT_MS", SRV_KIND_U32, FIELD(body_timeout_ms), 100, 3600000, "60000",
                                 "how long the body of a request may take in all", false},
    [SRV_VAR_UPGRADE_TIMEOUT_MS] = {"UPGRADE_TIMEOUT_MS", SRV_KIND_U32, FIELD(upgrade_timeout_ms), 100, 600000, "10000",
                                    "how long the change from polling to WebSocket may take", false},
    [SRV_VAR_PING_INTERVAL_MS] = {"PING_INTERVAL_MS", SRV_KIND_U32, FIELD(ping_interval_ms), 1, DAY_MS, "25000",
                                  "Engine.IO heartbeat", false},
    [SRV_VAR_PING_TIMEOUT_MS] = {"PING_TIMEOUT_MS", SRV_KIND_U32, FIELD(ping_timeout_ms), 1, DAY_MS, "60000",
                                 "how long a client may take to answer it", false},
    [SRV_VAR_CONNECT_TIMEOUT_MS] = {"CONNECT_TIMEOUT_MS", SRV_KIND_U32, FIELD(connect_timeout_ms), 1, 3600000, "45000",
                                    "how long a client may take to join a namespace", false},
    [SRV_VAR_MAX_PAYLOAD_BYTES] = {"MAX_PAYLOAD_BYTES", SRV_KIND_U32, FIELD(max_payload_bytes), 256, 1U << 30,
                                   "1000000", "largest message taken", false},
    [SRV_VAR_SESSION_IDLE_MS] = {"SESSION_IDLE_MS", SRV_KIND_U32, FIELD(session_idle_ms), 0, DAY_MS, "1800000",
                                 "an agent session without activity ends; 0: never", false},
    [SRV_VAR_RECOVERY_MS] = {"RECOVERY_MS", SRV_KIND_U32, FIELD(recovery_ms), 0, DAY_MS, "0",
                             "a lost connection may be resumed so long; 0: no connection state recovery", false},
    [SRV_VAR_RECOVERY_MAX_EVENTS] = {"RECOVERY_MAX_EVENTS", SRV_KIND_U32, FIELD(recovery_max_events), 1, 1000000,
                                     "10000", "events kept for that", false},
    [SRV_VAR_RECOVERY_MAX_BYTES] = {"RECOVERY_MAX_BYTES", SRV_KIND_U32, FIELD(recovery_max_bytes), 65536, 1U << 30,
                                    "16777216", "their bytes", false},
    [SRV_VAR_DRAIN_SPREAD_MS] = {"DRAIN_SPREAD_MS", SRV_KIND_U32, FIELD(drain_spread_ms), 0, 6000, "4000",
                                 "over which time clients are sent away after SIGTERM, at most", false},
    [SRV_VAR_AGENT_URL] = {"AGENT_URL", SRV_KIND_STRING, FIELD(agent_url), 0, 0, "",
                           "agent events are POSTed there; unset: built-in answers", false},
    [SRV_VAR_AGENT_TOKEN] = {"AGENT_TOKEN", SRV_KIND_STRING, FIELD(agent_token), 0, 0, "",
                             "sent to it as a bearer token", true},
    [SRV_VAR_AGENT_CA_PATH] = {"AGENT_CA_PATH", SRV_KIND_STRING, FIELD(agent_ca_path), 0, 0, "",
                               "PEM file: its certificate's authorities, instead of the system's", false},
    [SRV_VAR_AGENT_TIMEOUT_MS] = {"AGENT_TIMEOUT_MS", SRV_KIND_U32, FIELD(agent_timeout_ms), 1, 600000, "10000",
                                  "from an event to its answer, waiting included", false},
    [SRV_VAR_AGENT_MAX_IN_FLIGHT] = {"AGENT_MAX_IN_FLIGHT", SRV_KIND_U32, FIELD(agent_max_in_flight), 1, 1024, "32",
                                     "requests at once", false},
    [SRV_VAR_AGENT_MAX_WAITING] = {"AGENT_MAX_WAITING", SRV_KIND_U32, FIELD(agent_max_waiting), 0, 100000, "1000",
                                   "events that wait for one of these; further ones are refused", false},
    [SRV_VAR_LOG_LEVEL] = {"LOG_LEVEL", SRV_KIND_LEVEL, FIELD(log_level), 0, 0, "info", "error, warn, info or debug",
                           false},
    [SRV_VAR_LOG_FORMAT] = {"LOG_FORMAT", SRV_KIND_FORMAT, FIELD(log_json), 0, 0, "text",
                            "text, or json: one object a line", false},
    [SRV_VAR_BENCH_EVENTS] = {"BENCH_EVENTS", SRV_KIND_BOOL, FIELD(bench_events), 0, 0, "false",
                              "answer bench:broadcast (loopback only)", false},
    [SRV_VAR_TEST_HANDLER_DELAY_MS] = {"TEST_HANDLER_DELAY_MS", SRV_KIND_U32, FIELD(test_handler_delay_ms), 0, 600000,
                                       "0", "delay every handler (with --conformance only)", false},
};

void *srv_variable_field(struct srv_config *config, int variable)
{
    return (char *)config + srv_variables[variable].offset;
}

int srv_variable_by_name(const char *name, size_t len)
{
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++) {
        if (strlen(srv_variables[i].name) == len && memcmp(srv_variables[i].name, name, len) == 0)
            return i;
    }
    return -1;
}

void srv_variable_flag(int variable, char *out, size_t size)
{
    const char *name = srv_variables[variable].name;
    size_t n = 0;
    for (; n < 2 && n + 1 < size; n++)
        out[n] = '-';
    for (; *name != '\0' && n + 1 < size; name++, n++)
        out[n] = (char)(*name == '_' ? '-' : *name >= 'A' && *name <= 'Z' ? *name - 'A' + 'a' : *name);
    out[n] = '\0';
}

int srv_variable_by_flag(const char *flag, size_t len)
{
    char own[64];
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++) {
        srv_variable_flag(i, own, sizeof own);
        if (strlen(own) == len && memcmp(own, flag, len) == 0)
            return i;
    }
    return -1;
}

static char upper(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c == '-' ? '_' : c);
}

/* Edit distance without regard to case or to '-' for '_'; a and b are below 64 bytes. */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned row[64];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b_len; j++) {
            unsigned best = diagonal + (upper(a[i - 1]) == upper(b[j - 1]) ? 0 : 1);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

int srv_variable_near(const char *name, size_t len, bool flag)
{
    int nearest = -1;
    unsigned least = 3;
    if (len >= 64)
        return -1;
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++) {
        char own[64];
        if (flag)
            srv_variable_flag(i, own, sizeof own);
        else
            memcpy(own, srv_variables[i].name, strlen(srv_variables[i].name) + 1);
        unsigned d = distance(name, len, own, strlen(own));
        /* A short name is two letters away from far too many others. */
        if (d < least && (d <= 1 || len >= 8)) {
            least = d;
            nearest = i;
        }
    }
    return nearest;
}

static void help_line(struct aivo_buf *out, const char *flag, const char *text, const char *fallback)
{
    aivo_buf_str(out, "  ");
    aivo_buf_str(out, flag);
    for (size_t n = strlen(flag); n < 34; n++)
        aivo_buf_char(out, ' ');
    aivo_buf_char(out, ' ');
    aivo_buf_str(out, text);
    if (fallback[0] != '\0') {
        aivo_buf_str(out, " [");
        aivo_buf_str(out, fallback);
        aivo_buf_char(out, ']');
    }
    aivo_buf_char(out, '\n');
}

void srv_variables_help(struct aivo_buf *out)
{
    aivo_buf_str(out, "Usage: aivo-server [FLAG [VALUE]]...\n\n"
                      "A real-time server that speaks Socket.IO. Each setting is a flag, an environment variable\n"
                      "(--rate-limit-window-ms is RATE_LIMIT_WINDOW_MS) or a line of the .env file; the flag counts\n"
                      "first, then the environment, then the file, then the default [in brackets].\n\n");
    for (int i = 0; i < SRV_VARIABLE_COUNT; i++) {
        char flag[64];
        srv_variable_flag(i, flag, sizeof flag);
        help_line(out, flag, srv_variables[i].help, srv_variables[i].fallback);
    }
    aivo_buf_char(out, '\n');
    help_line(out, "--env FILE", "read FILE instead of .env", "");
    help_line(out, "--check", "print what it would run with, secrets masked, and exit", "");
    help_line(out, "--conformance", "what the published protocol suites expect; no authentication", "");
    help_line(out, "--help, --version", "", "");
    aivo_buf_str(out, "\nSecrets given as flags can be read by every user of the machine: prefer the environment.\n"
                      "Exit status: 0, 64 (a flag that makes no sense), 78 (a value that cannot be used), 1.\n");
}

void srv_wipe_free(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}
