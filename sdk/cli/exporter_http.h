/*
 * The little HTTP that the exporter needs. Pure.
 */
#ifndef CLI_EXPORTER_HTTP_H
#define CLI_EXPORTER_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORTER_TARGET_MAX 2048 /* bytes of a decoded target */

enum exporter_path {
    EXPORTER_ROOT,    /* what there is */
    EXPORTER_METRICS, /* every URL */
    EXPORTER_PROBE,   /* the URL of its target, or every one */
    EXPORTER_NOTHING, /* 404 */
};

struct exporter_request {
    enum exporter_path path;
    bool has_target, head;
    char target[EXPORTER_TARGET_MAX]; /* decoded */
    int64_t timeout_ms;               /* of the scrape, as Prometheus says it; 0: not said */
};

/* Is the head of a request complete in these bytes? Its length with the blank line, or 0. */
size_t exporter_head_len(const char *bytes, size_t len);
/* Reads a complete head. Returns 0, or the status that answers it: 400 or 405. */
int exporter_parse(const char *head, size_t len, struct exporter_request *out);

#endif
