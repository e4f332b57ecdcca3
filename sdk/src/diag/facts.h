/* What the stages find out, as plain data: made by those that do I/O, read by those that judge. Pure. */
#ifndef AIVO_DIAG_FACTS_H
#define AIVO_DIAG_FACTS_H

#include <aivo/options.h>
#include <stdbool.h>
#include <stdint.h>

#define DIAG_ADDRESSES 16 /* of a name; further ones are dropped */
#define DIAG_CHAIN     8  /* certificates; further ones are dropped */
#define DIAG_AT        64 /* "[2001:db8::1]:443" */

/* How a wait or a transfer ended. */
enum diag_how {
    DIAG_DONE,
    DIAG_TIMEOUT,   /* the stage's deadline passed */
    DIAG_CANCELLED, /* the diagnosis is to end */
    DIAG_END,       /* the other side hung up */
    DIAG_ERROR,     /* the socket or TLS failed: see the error's text */
    DIAG_NOT_HTTP   /* what came is no HTTP */
};

/* Whom we talk to, as words need it. */
struct diag_target {
    const char *host; /* the server's */
    uint16_t port;
    bool tls, socketio, via_proxy;
    const char *proxy_host; /* if via_proxy */
    uint16_t proxy_port;
    const char *path; /* of the upgrade request, without query */
    const char *nsp;
    uint32_t timeout_ms; /* of a stage */
};

enum diag_dns_error {
    DIAG_DNS_OK,
    DIAG_DNS_NOT_FOUND, /* there is no such name, or no address of it */
    DIAG_DNS_AGAIN,     /* the name servers do not answer, or not now */
    DIAG_DNS_OTHER
};
struct diag_dns {
    enum diag_how how;
    enum diag_dns_error error;
    char text[96]; /* the system's words for it */
    double time_ms;
    unsigned count;
    struct {
        char ip[48];
        bool v6;
    } address[DIAG_ADDRESSES];
};

struct diag_tcp {
    unsigned count;
    struct {
        char at[DIAG_AT];
        bool v6;
        enum diag_how how; /* TIMEOUT: no answer until waited_ms */
        int error;         /* errno if ERROR */
        char text[80];     /* its words */
        double time_ms;
    } address[DIAG_ADDRESSES];
    int chosen; /* -1: none connected */
};

/* An HTTP answer, of the proxy or the server. */
struct diag_http {
    enum diag_how how;
    char error[240];     /* ERROR: words */
    unsigned char first; /* NOT_HTTP: the first byte that came */
    int status;
    char reason[64], server[80], location[300], via[80], content_type[80], www_authenticate[120];
    char allow_origin[200]; /* Access-Control-Allow-Origin; "" if there is none */
    bool allow_credentials;
    bool has_upgrade, has_connection_upgrade; /* in the answer */
    double retry_after_s;                     /* NAN: not said */
    double limit_remaining;                   /* RateLimit-Remaining; NAN: not said */
    int64_t date_ms;                          /* Date: Unix time; 0: not said */
    int64_t at_ms;                            /* our clock when the answer came: Unix time */
    char body[600];                           /* the beginning, NUL-terminated */
    char wrong[200];                          /* a 101 that breaks the protocol: how; "" if fine */
};

struct diag_cert {
    char subject[128], issuer[128];
    int64_t from_ms, to_ms; /* Unix time */
    char key[48];           /* "RSA 2048", "EC prime256v1" */
};
enum diag_tls_fault {
    DIAG_TLS_NONE,
    DIAG_TLS_EXPIRED,
    DIAG_TLS_NOT_YET,
    DIAG_TLS_WRONG_NAME,
    DIAG_TLS_SELF_SIGNED,
    DIAG_TLS_UNKNOWN_CA,
    DIAG_TLS_BAD_CERT, /* refused for another reason */
    DIAG_TLS_PIN,
    DIAG_TLS_CERT_WANTED,
    DIAG_TLS_ALERT,
    DIAG_TLS_NOT_TLS,
    DIAG_TLS_CUT,
    DIAG_TLS_OTHER
};
struct diag_tls {
    enum diag_how how;
    enum diag_tls_fault fault;
    char error[240]; /* words of the failure */
    bool insecure, pinned, client_cert;
    bool leaf_only; /* the server sent its own certificate alone, and that is not self-signed */
    bool ca_file;   /* the CA is of the user's own file */
    char version[16], cipher[64], alpn[16], names[200], pin[64];
    unsigned chain_count;
    struct diag_cert chain[DIAG_CHAIN]; /* as the server sent it, its own first */
    int64_t now_ms;                     /* our clock: Unix time */
};

/* Engine.IO's open packet and what else came instead. */
struct diag_engineio {
    enum diag_how how;
    char error[240];
    bool opened;
    unsigned protocol; /* 4, 3, or 0: unknown */
    char sid[64];
    uint32_t ping_interval_ms, ping_timeout_ms;
    uint64_t max_payload; /* 0: not said */
    bool can_upgrade;
    int close_code; /* WebSocket close code, 0: none */
    char close_text[124];
    char got[120]; /* what came instead of an open packet */
    bool binary;
};

/* A token, decoded without being verified. */
struct diag_token {
    bool given;     /* the payload has something that is meant as a token */
    char where[40]; /* which member, or header */
    bool jwt;       /* it has the form of one, and could be decoded */
    bool spaces;    /* white space around it, or a quote: pasted badly */
    char algorithm[16], subject[80], issuer[80], audience[80];
    int64_t exp_s, nbf_s, iat_s; /* Unix time; 0: not said */
};

struct diag_auth {
    enum diag_how how;
    char error[240];
    bool connected;
    bool refused;      /* CONNECT_ERROR */
    bool disconnected; /* DISCONNECT instead */
    bool old_protocol; /* an answer without a sid: Socket.IO v2 */
    char message[200]; /* CONNECT_ERROR's */
    char data[200];    /* its data as JSON, "" if none */
    int close_code;
    char close_text[124];
    char sid[64];
    bool recovery;   /* the server offers connection state recovery */
    bool auth_given; /* there was a CONNECT payload at all */
    struct diag_token token;
    int64_t now_ms; /* our clock */
    double skew_s;  /* the server's clock minus ours, by its Date; NAN: not known. +-1 s */
};

struct diag_probes {
    enum diag_how how;
    char error[240];
    uint64_t wanted, sent;
    bool until_confident, confident;
    bool dead; /* nothing comes back any more, and what was sent is not acknowledged */
    int close_code;
    char close_text[124];
    struct aivo_quality quality;
};

struct diag_polling {
    bool tried;
    struct diag_http http; /* of the first GET */
    double time_ms;
    unsigned protocol; /* Engine.IO's, by the form of the answer; 0: no handshake came */
    bool opened, can_upgrade;
    unsigned requests, unknown; /* of the session over connections of their own; answered "unknown session" */
    unsigned failed;            /* otherwise not answered 200 */
    int failed_status;
    char set_cookie[80]; /* name of a cookie that the answer set: stickiness by cookie */
    bool with_cookie;    /* the requests repeated it */
    const char *origin;  /* that was sent, or NULL */
};

struct diag_throughput {
    enum diag_how how;
    char error[240];
    uint64_t bytes; /* that the server has read, as its PONG says */
    unsigned messages;
    bool echoes; /* a plain WebSocket sends back what it gets */
    uint64_t message_bytes;
    double up_ms, up_kbit_s, down_kbit_s; /* NAN: not known */
    int close_code;
};

struct diag_rate {
    enum diag_how how;
    char error[240];
    unsigned sent, answered, unanswered;
    bool limited;
    unsigned accepted;     /* before the first refusal, on this connection */
    double retry_after_ms; /* NAN: not said */
    double time_ms;
    const char *event;
    int close_code;
};

#endif
