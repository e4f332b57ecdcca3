/** @file diagnose.h  Looks at a connection stage by stage: what works, what does not, why, and what to do about it. */
#ifndef AIVO_DIAGNOSE_H
#define AIVO_DIAGNOSE_H

#include <aivo/error.h>
#include <aivo/options.h>
#include <aivo/quality.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One diagnosis: made, run once, read, destroyed. It has connections of its own and needs no client. */
struct aivo_diagnosis;

/** What is looked at, in the order in which stages begin and end. Later versions may add stages at the end. */
enum aivo_diagnose_stage {
    AIVO_DIAGNOSE_DNS = 0,        /**< the host's name (or the proxy's) -> its addresses */
    AIVO_DIAGNOSE_TCP = 1,        /**< a TCP connection to each address */
    AIVO_DIAGNOSE_PROXY = 2,      /**< CONNECT, where there is an HTTP proxy */
    AIVO_DIAGNOSE_TLS = 3,        /**< handshake and certificate, for https and wss */
    AIVO_DIAGNOSE_HTTP = 4,       /**< the WebSocket upgrade */
    AIVO_DIAGNOSE_ENGINEIO = 5,   /**< the Engine.IO handshake over the WebSocket */
    AIVO_DIAGNOSE_AUTH = 6,       /**< namespace and credentials; the token is decoded here */
    AIVO_DIAGNOSE_PROBES = 7,     /**< round trips, jitter, loss, where the time goes */
    AIVO_DIAGNOSE_POLLING = 8,    /**< HTTP long-polling, which JavaScript clients begin with; sticky sessions, CORS */
    AIVO_DIAGNOSE_THROUGHPUT = 9, /**< how fast large messages go; only if asked for */
    AIVO_DIAGNOSE_RATE_LIMIT = 10 /**< how many messages the server takes; only if asked for */
};
#define AIVO_DIAGNOSE_STAGES 11 /**< as many as this header knows */

/** "dns", "tcp", "proxy", "tls", "http", "engineio", "auth", "probes", "polling", "throughput" or "rate-limit"; static.
 *  Thread-safe. */
AIVO_API const char *aivo_diagnose_stage_name(enum aivo_diagnose_stage stage);
/** For people: "Name resolution", "TCP connection", ...; static. Thread-safe. */
AIVO_API const char *aivo_diagnose_stage_title(enum aivo_diagnose_stage stage);

/** A fact's name for people, e.g. "95th percentile" for "p95_ms" of the probes; the key itself if it is not known.
 * list: the fact's, or NULL. Static. Thread-safe. */
AIVO_API const char *aivo_diagnose_fact_title(enum aivo_diagnose_stage stage, const char *list, const char *key);
/** How a fact came about, in one or two sentences; "" if it is not known. Static. Thread-safe. */
AIVO_API const char *aivo_diagnose_fact_explain(enum aivo_diagnose_stage stage, const char *list, const char *key);

/** How a stage ended, from best to worst but for skip. */
enum aivo_diagnose_status {
    AIVO_DIAGNOSE_OK = 0,   /**< nothing is wrong */
    AIVO_DIAGNOSE_WARN = 1, /**< it works; something about it deserves attention */
    AIVO_DIAGNOSE_FAIL = 2, /**< no connection can be used because of it */
    AIVO_DIAGNOSE_SKIP = 3  /**< not looked at: not needed, not asked for, not reached, cancelled */
};
/** "ok", "warn", "fail" or "skip"; static. Thread-safe. */
AIVO_API const char *aivo_diagnose_status_name(enum aivo_diagnose_status status);

/** What a fact's value is. */
enum aivo_diagnose_type {
    AIVO_DIAGNOSE_TEXT = 0,   /**< one line of UTF-8 */
    AIVO_DIAGNOSE_NUMBER = 1, /**< NAN is unknown (JSON: null) */
    AIVO_DIAGNOSE_BOOL = 2    /**< yes or no */
};

/**
 * Something a stage found out. Keys are lower case with underscores and end in their unit (_ms, _pct, _bytes, _days,
 * _s, _kbit_s) where they have one; the keys of a stage are listed in docs/diagnose.md, and later versions may add
 * some. Facts with a list belong together by list and item: {"addresses", 0, "address"}, {"addresses", 0, "time_ms"},
 * ...; items come in order, from 0. The struct never grows.
 */
struct aivo_diagnose_fact {
    const char *list;             /**< NULL: a fact of the stage itself; else the name of a list in it */
    uint32_t item;                /**< which one of the list */
    const char *key;              /**< its name; static */
    enum aivo_diagnose_type type; /**< which of the values below it has */
    const char *text;             /**< AIVO_DIAGNOSE_TEXT: UTF-8, one line; else NULL */
    double number;                /**< AIVO_DIAGNOSE_NUMBER */
    bool truth;                   /**< AIVO_DIAGNOSE_BOOL */
};

/** Something that is wrong, or deserves attention. The struct never grows. */
struct aivo_diagnose_finding {
    enum aivo_diagnose_status status; /**< WARN or FAIL */
    const char *code;   /**< for programs: "dns-not-found", "tls-expired", ...; does not change between versions */
    const char *reason; /**< one sentence: what was wrong, and where */
    const char *fix;    /**< one or two sentences: what to do, and who */
};

/** What became of one stage. */
struct aivo_diagnose_result {
    enum aivo_diagnose_stage stage;   /**< which one */
    enum aivo_diagnose_status status; /**< that of its worst finding */
    double start_ms;                  /**< since the diagnosis began; NAN: it was not begun */
    double time_ms;                   /**< how long it took; NAN: it was not begun */
    const char *code;   /**< of the worst finding, "" if there is none; a skipped stage: "not-needed", "not-asked",
                             "not-reached" or "cancelled" */
    const char *reason; /**< the worst finding's; without one, what was found in a few words; never NULL */
    const char *fix;    /**< the worst finding's; "" if there is nothing to do; never NULL */
    const struct aivo_diagnose_finding *findings; /**< worst first */
    size_t finding_count;                         /**< 0..16 */
    const struct aivo_diagnose_fact *facts;       /**< what it found out */
    size_t fact_count;                            /**< 0..512 */
    uint64_t reserved[4]; /**< 0: room for what comes, so that an array's stride stays as it is */
};

/** The whole in one word. The values are the exit codes of `aivo diagnose`. */
enum aivo_diagnose_verdict {
    AIVO_DIAGNOSE_GOOD = 0,          /**< connected; Excellent or Good */
    AIVO_DIAGNOSE_DEGRADED = 1,      /**< connected; Fair or Poor */
    AIVO_DIAGNOSE_NO_CONNECTION = 2, /**< none was made, or it was lost */
    AIVO_DIAGNOSE_REFUSED = 3        /**< reached, but refused: credentials, namespace, protocol */
};
/** "good", "degraded", "no connection" or "refused"; static. Thread-safe. */
AIVO_API const char *aivo_diagnose_verdict_name(enum aivo_diagnose_verdict verdict);

/** Everything that was found. Belongs to the diagnosis and lives as long as it. */
struct aivo_diagnose_report {
    size_t size;                               /**< of this struct, as the library knows it */
    int64_t time_ms;                           /**< when it began: Unix time, ms */
    double duration_ms;                        /**< until the last stage ended */
    const char *url;                           /**< for people: values of its query are left out */
    bool cancelled;                            /**< it ended early: what was not known then is skipped */
    enum aivo_diagnose_verdict verdict;        /**< in one word */
    int exit_code;                             /**< the verdict's: 0, 1, 2 or 3 */
    const char *summary;                       /**< one sentence */
    const char *fix;                           /**< what to do first; "" if nothing */
    int culprit;                               /**< the stage that summary and fix are of, or -1: none */
    bool has_quality;                          /**< quality was measured */
    const struct aivo_diagnose_result *stages; /**< stages[i].stage == i */
    size_t stage_count;                        /**< as many as the library knows: at least AIVO_DIAGNOSE_STAGES */
    uint64_t reserved[8];                      /**< 0: room for what comes before quality, which may grow */
    struct aivo_quality quality;               /**< the last snapshot, if has_quality */
};

/** A stage began. */
typedef void (*aivo_diagnose_begin_fn)(enum aivo_diagnose_stage stage, void *user);
/** A stage ended; result is borrowed for the length of the call. Stages end in order of their numbers, each exactly
 *  once, skipped ones too, those without a begin as well. */
typedef void (*aivo_diagnose_end_fn)(const struct aivo_diagnose_result *result, void *user);
/** A probe was answered, or lost: quality (borrowed for the length of the call) is what is known now, done of wanted
 * are over; with until_confident done may exceed wanted. */
typedef void (*aivo_diagnose_sample_fn)(const struct aivo_quality *quality, uint64_t done, uint64_t wanted, void *user);

/** How thorough to be. Fill with aivo_diagnose_options_init(). */
struct aivo_diagnose_options {
    size_t size;           /**< sizeof(struct aivo_diagnose_options), set by aivo_diagnose_options_init() */
    uint32_t count;        /**< 10: probes, 1..1,000,000 */
    uint32_t interval_ms;  /**< 150: time between probes, 100..60,000 */
    bool until_confident;  /**< false. true: go on beyond count until the figures are certain (the 95 % interval of loss
                                is at most confidence_pct wide, and that of the median at most 10 % of it or 1 ms), but
                              no longer  than confident_ms */
    double confidence_pct; /**< 5.0: percentage points, 0.5..100 */
    uint32_t confident_ms; /**< 60,000 */
    uint32_t stage_timeout_ms; /**< 5,000: for each stage but probes; at least 50. The look-up of a name, a TCP connect,
                                    a handshake that is not done by then fails as timed out */
    uint32_t total_timeout_ms; /**< 0: no further bound. Else the whole ends by then, as if cancelled */
    const char *origin;        /**< an Origin that browsers would send, "https://app.example": CORS is checked for it.
                                    NULL: no Origin is sent. Copied */
    bool polling;              /**< true: HTTP long-polling is looked at as well (Socket.IO only) */
    uint32_t sticky_requests;  /**< 4: requests of one session over connections of their own; 0: none; at most 64 */
    bool throughput;           /**< false. true: sends throughput_bytes in large messages */
    uint32_t throughput_bytes; /**< 524,288; 1,024..67,108,864 */
    const char *throughput_event; /**< NULL: they are an event that nobody listens to, and only the way up is measured.
                                       Else one whose acknowledgement repeats its arguments: the way down as well. (A
                                       plain WebSocket that echoes is noticed.) Copied */
    bool rate_limit;              /**< false. true: sends messages until the server refuses one, to see how many it
                                       takes. They count towards this connection's limit only */
    uint32_t rate_messages;       /**< 120: at most so many, 1..100,000 */
    const char *rate_event; /**< "agent:learning": the event that is sent, with {"action":"diagnose"}; a server that
                                 counts per connection counts any. Copied */
    double warn_days;       /**< 21: a certificate that ends sooner is a warning, days */
    aivo_diagnose_begin_fn on_begin;   /**< NULL: not told. All three run on the thread that runs the diagnosis */
    aivo_diagnose_end_fn on_end;       /**< NULL: not told */
    aivo_diagnose_sample_fn on_sample; /**< NULL: not told */
    void *user;                        /**< passed to them */
};
/** As aivo_options_init_sized(). */
AIVO_API void aivo_diagnose_options_init_sized(struct aivo_diagnose_options *options, size_t size);
/** Sets every field to its default. Thread-safe. */
static inline void aivo_diagnose_options_init(struct aivo_diagnose_options *options)
{
    aivo_diagnose_options_init_sized(options, sizeof *options);
}

/**
 * Make a diagnosis. Nothing is sent yet.
 * @param target   url, path, nsp, protocol, subprotocol, headers, auth, proxy and tls are used (auth_fn is not: there
 * is no client to ask); copied
 * @param options  NULL: the defaults; copied
 * @param out      receives the diagnosis; the caller owns it
 * @param err      may be NULL
 * @return AIVO_OK, AIVO_E_INVALID (an option makes no sense: err names it), AIVO_E_TLS (a certificate, key or CA file
 *         cannot be used), AIVO_E_MEMORY, AIVO_E_SYSTEM
 */
AIVO_API enum aivo_status aivo_diagnose_create(const struct aivo_options *target,
                                               const struct aivo_diagnose_options *options, struct aivo_diagnosis **out,
                                               struct aivo_error *err);

/**
 * Run it on the calling thread; returns when it has ended. Callbacks run inside this call. Always ends: each stage has
 * a deadline, and aivo_diagnose_cancel() ends it at once.
 * @return AIVO_OK (whatever was found: the report tells), AIVO_E_STATE (was run or started before)
 */
AIVO_API enum aivo_status aivo_diagnose_run(struct aivo_diagnosis *diagnosis);

/**
 * Run it on a thread of its own; returns at once. Callbacks run on that thread.
 * @return AIVO_OK, AIVO_E_STATE (was run or started before), AIVO_E_SYSTEM (no thread)
 */
AIVO_API enum aivo_status aivo_diagnose_start(struct aivo_diagnosis *diagnosis);
/** Waits until it has ended, at most timeout_ms; negative: without limit. true: it has. From any thread but in its
 *  callbacks. */
AIVO_API bool aivo_diagnose_wait(struct aivo_diagnosis *diagnosis, int64_t timeout_ms);
/** A file descriptor that is readable once it has ended, for poll(). Owned by the diagnosis. */
AIVO_API int aivo_diagnose_fd(const struct aivo_diagnosis *diagnosis);

/** End it now, with what is known. Returns at once. From any thread, in callbacks, and in signal handlers; before the
 *  run as well. */
AIVO_API void aivo_diagnose_cancel(struct aivo_diagnosis *diagnosis);

/** The report; NULL while it has not ended. Lives until aivo_diagnose_destroy(). Thread-safe. */
AIVO_API const struct aivo_diagnose_report *aivo_diagnose_report(const struct aivo_diagnosis *diagnosis);

/** Cancels what runs, waits for its end (milliseconds), and frees everything. Not inside its callbacks. NULL is
 *  allowed. */
AIVO_API void aivo_diagnose_destroy(struct aivo_diagnosis *diagnosis);

#ifdef __cplusplus
}
#endif
#endif
