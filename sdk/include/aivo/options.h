/** @file options.h  Everything a client can be told before it starts. */
#ifndef AIVO_OPTIONS_H
#define AIVO_OPTIONS_H

#include <aivo/error.h>
#include <aivo/outbox.h>
#include <aivo/quality.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct aivo_client;
struct aivo_loop;

/** What is spoken over the WebSocket. */
enum aivo_protocol {
    AIVO_PROTOCOL_SOCKETIO = 0, /**< Socket.IO v5 over Engine.IO v4 */
    AIVO_PROTOCOL_WEBSOCKET = 1 /**< messages as they are; durable messages are {"event","data","id"} in JSON */
};

/** Where callbacks run. */
enum aivo_callbacks {
    AIVO_CALLBACKS_SERVICE = 0, /**< on the service thread */
    AIVO_CALLBACKS_DISPATCH = 1 /**< inside aivo_client_dispatch(), on whichever thread calls it */
};

/** Why credentials are asked for. */
enum aivo_auth_reason {
    AIVO_AUTH_FIRST = 0,     /**< the first connection */
    AIVO_AUTH_RECONNECT = 1, /**< a further connection; what was given last may still do */
    AIVO_AUTH_REFUSED = 2    /**< the server refused what was given last: get something new */
};

/**
 * Asks for the CONNECT payload. Answer with aivo_client_auth(), inside the callback or later from any thread;
 * the attempt waits up to auth_timeout_ms.
 */
typedef void (*aivo_auth_fn)(struct aivo_client *client, enum aivo_auth_reason reason, void *user);

/** TLS, for https and wss. All paths are copied. */
struct aivo_tls_options {
    const char *ca_file;   /**< PEM; replaces the system's CAs. NULL: the system's */
    const char *cert_file; /**< PEM chain of a client certificate, with key_file; NULL: none */
    const char *key_file;  /**< PEM private key */
    const char
        *pin; /**< "sha256//BASE64" of the server's SPKI, several joined with ';'; checked besides the CA. NULL: none */
    bool insecure;        /**< no certificate check at all. A pin is still checked. */
    uint64_t reserved[4]; /**< 0: room for what comes, so that nothing behind this struct ever moves */
};

/** Reconnecting. */
struct aivo_reconnect_options {
    bool enabled;             /**< true */
    uint32_t floor_ms;        /**< 250: least delay, 0..cap_ms */
    uint32_t base_ms;         /**< 1,000: the first range's upper end, doubled with each attempt */
    uint32_t cap_ms;          /**< 30,000: greatest delay */
    uint32_t max_attempts;    /**< 0: no limit; else attempts in a row before the state is failed */
    uint32_t stable_after_ms; /**< 10,000: connected for this long, the delays begin anew */
    uint64_t reserved[4];     /**< 0 */
};

/** The offline queue. See outbox.h. */
struct aivo_queue_options {
    const char *path;        /**< the SQLite file, made if it is not there; NULL: aivo_client_send() is refused */
    uint32_t max_messages;   /**< 100; 1..10,000,000: the oldest is evicted beyond it */
    uint32_t ttl_s;          /**< 86,400 (24 h): age at which a message expires; 0: never */
    uint32_t max_retries;    /**< 3: attempts answered with an error, not at all while connected, or with the end of the
                                  connection five times and more in a row */
    uint32_t window;         /**< 64; 1..1,024: messages sent and not yet acknowledged */
    uint32_t ack_timeout_ms; /**< 10,000 */
    uint32_t retry_base_ms;  /**< 1,000: first wait after a failed attempt, doubled with each, with jitter */
    uint32_t retry_cap_ms;   /**< 30,000 */
    const char *message_id_key;  /**< "messageId": each message's id is put under this key into the first of its
                                      arguments that is an object, so that a server can tell a repeat. One that has a
                                      string of 1..36 bytes there already keeps it, and that is its id then. NULL or "":
                                      off. Over plain WebSocket the id is in the envelope anyway */
    uint64_t max_bytes;          /**< 0: no bound; of the events and arguments of all messages */
    enum aivo_overflow overflow; /**< AIVO_OVERFLOW_DROP_OLDEST: what happens beyond max_messages and max_bytes */
    bool memory_only;            /**< false. true: path is not used, and what is queued ends with the client */
    uint32_t max_dead;           /**< 1,000: dead letters kept, the oldest go first; 0: none */
    const struct aivo_queue_policy *queues; /**< further queues in the same file, each with its own policy */
    size_t queue_count;                     /**< 0..15 */
    uint64_t reserved[4];                   /**< 0 */
};

/** Measuring. */
struct aivo_quality_options {
    bool enabled;         /**< true */
    uint32_t interval_ms; /**< 10,000: time between probes, +-10 %; 100..3,600,000. At most 2 s for the first 20 s, 1 s
                               while something looks wrong */
    uint32_t timeout_ms;  /**< 5,000: an unanswered probe is lost, and the connection dead if nothing else came */
    bool quality_ping;    /**< true: every third probe also asks the server's handler, where it answers */
    struct aivo_quality_thresholds thresholds; /**< 100, 250, 500 ms */
    enum aivo_quality_profile profile;         /**< AIVO_PROFILE_STANDARD */
    uint32_t window;                           /**< 10; 3..60: samples that mean, jitter and score are of */
    uint64_t reserved[4];                      /**< 0 */
};

/**
 * Fill with aivo_options_init(), then change what is wanted. Every string is copied by aivo_client_create().
 */
struct aivo_options {
    size_t size;                    /**< sizeof(struct aivo_options), set by aivo_options_init() */
    const char *url;                /**< http, https, ws or wss; host, port (4003 if none is given), no user info */
    const char *path;               /**< "/socket.io/"; for plain WebSocket NULL means the URL's own path */
    const char *nsp;                /**< namespace, "/" */
    enum aivo_protocol protocol;    /**< AIVO_PROTOCOL_SOCKETIO */
    const char *subprotocol;        /**< plain WebSocket: Sec-WebSocket-Protocol; NULL: none */
    const char *headers;            /**< further request headers, "Name: value" lines joined with "\n"; NULL: none */
    const char *auth;               /**< CONNECT payload, a JSON object's text; NULL: none. auth_fn has priority */
    aivo_auth_fn auth_fn;           /**< asked at every attempt to connect; NULL: auth is used */
    void *auth_user;                /**< passed to auth_fn */
    uint32_t auth_timeout_ms;       /**< 30,000: for auth_fn's answer */
    uint32_t connect_timeout_ms;    /**< 10,000: name, TCP, proxy, TLS and upgrade together */
    uint32_t handshake_timeout_ms;  /**< 10,000: Engine.IO handshake and CONNECT together */
    uint64_t max_payload_bytes;     /**< 16 MiB: a larger received message closes the connection */
    uint64_t max_send_buffer_bytes; /**< 16 MiB: emits beyond it fail with AIVO_E_FULL */
    const char *proxy;  /**< "http://[user:password@]host:port"; "" is none; NULL: https_proxy, http_proxy and
                             no_proxy of the environment */
    bool recovery;      /**< true: connection state recovery where the server offers it */
    bool watch_network; /**< true: a network change (Linux: netlink) retries at once */
    enum aivo_callbacks callbacks;           /**< AIVO_CALLBACKS_SERVICE */
    struct aivo_loop *loop;                  /**< a shared loop, kept alive by the client; NULL: one of its own */
    struct aivo_tls_options tls;             /**< for https and wss */
    struct aivo_reconnect_options reconnect; /**< when to try again */
    struct aivo_queue_options queue;         /**< durable messages */
    struct aivo_quality_options quality;     /**< what is measured, and how it is judged */
};

/** Sets the first size bytes, as much as the caller knows of the struct, to their defaults. For bindings of other
 *  languages; C and C++ call aivo_options_init(). Thread-safe. */
AIVO_API void aivo_options_init_sized(struct aivo_options *options, size_t size);
/** Sets every field to its default. Thread-safe. */
static inline void aivo_options_init(struct aivo_options *options)
{
    aivo_options_init_sized(options, sizeof *options);
}

#ifdef __cplusplus
}
#endif
#endif
