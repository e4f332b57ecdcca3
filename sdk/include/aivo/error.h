/** @file error.h  Status codes and what more there is to say about a failure. */
#ifndef AIVO_ERROR_H
#define AIVO_ERROR_H

#include <aivo/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Every status once: name, value, text. The enum and aivo_strerror() are both made of this list. */
#define AIVO_STATUS_LIST(X)                                                                                            \
    X(AIVO_OK, 0, "success")                                                                                           \
    X(AIVO_E_INVALID, -1, "invalid argument")                                                                          \
    X(AIVO_E_MEMORY, -2, "out of memory")                                                                              \
    X(AIVO_E_STATE, -3, "not possible in this state")                                                                  \
    X(AIVO_E_NOT_CONNECTED, -4, "not connected")                                                                       \
    X(AIVO_E_TIMEOUT, -5, "timed out")                                                                                 \
    X(AIVO_E_FULL, -6, "full: the bound of a queue or buffer is reached")                                              \
    X(AIVO_E_STORE, -7, "the offline queue's file cannot be used")                                                     \
    X(AIVO_E_LOCKED, -8, "the offline queue's file is in use by another writer")                                       \
    X(AIVO_E_CORRUPT, -9, "the offline queue's file is no queue")                                                      \
    X(AIVO_E_RESOLVE, -10, "the host name cannot be resolved")                                                         \
    X(AIVO_E_CONNECT, -11, "the connection cannot be made")                                                            \
    X(AIVO_E_PROXY, -12, "the proxy refused or cannot be reached")                                                     \
    X(AIVO_E_TLS, -13, "the TLS handshake or the certificate check failed")                                            \
    X(AIVO_E_HTTP, -14, "the server refused the WebSocket upgrade")                                                    \
    X(AIVO_E_PROTOCOL, -15, "the peer broke the protocol")                                                             \
    X(AIVO_E_AUTH, -16, "the server refused the credentials")                                                          \
    X(AIVO_E_NAMESPACE, -17, "the server refused the namespace")                                                       \
    X(AIVO_E_CLOSED, -18, "the connection was closed")                                                                 \
    X(AIVO_E_HEARTBEAT, -19, "the server fell silent")                                                                 \
    X(AIVO_E_TOO_LARGE, -20, "too large")                                                                              \
    X(AIVO_E_CANCELLED, -21, "cancelled")                                                                              \
    X(AIVO_E_NOT_FOUND, -22, "not found")                                                                              \
    X(AIVO_E_SYSTEM, -23, "the system refused a resource")

/** The result of a call: AIVO_OK or a negative error. */
enum aivo_status {
/** Each line of the list as an enumerator. */
#define AIVO_STATUS_ENUM(name, value, text) name = value,
    AIVO_STATUS_LIST(AIVO_STATUS_ENUM)
#undef AIVO_STATUS_ENUM
};

/** The status' text, in English, never NULL; static. Thread-safe. */
AIVO_API const char *aivo_strerror(enum aivo_status status);
/** The status' name, e.g. "AIVO_E_TLS"; static. Thread-safe. */
AIVO_API const char *aivo_status_name(enum aivo_status status);

/** What exactly went wrong. Filled by calls that take one; plain data, nothing to free. */
struct aivo_error {
    enum aivo_status status; /**< the same as the call returned */
    int code;          /**< a further number where there is one: HTTP status, errno, X509 error, SQLite code; or 0 */
    char message[240]; /**< one line, NUL-terminated: what was wrong, with what, and what to do if that is known */
};

#ifdef __cplusplus
}
#endif
#endif
