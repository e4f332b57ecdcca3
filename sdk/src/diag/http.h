/* Requests and answers over a stream. */
#ifndef AIVO_DIAG_HTTP_H
#define AIVO_DIAG_HTTP_H

#include "httphead.h"
#include "stream.h"

#define DIAG_BODY_MAX 65536 /* of an answer; what is longer is cut */

/* Reads an answer's head into out, and keeps it in s->in (*head points there) until the caller has used it. out->how is
 * returned. */
enum diag_how diag_http_head(struct diag_stream *s, struct aivo_http_head *head, struct diag_http *out);
/* Reads the body that belongs to the head, at most DIAG_BODY_MAX of it, and lets go of both. What has come by the
 * deadline counts. */
void diag_http_body(struct diag_stream *s, const struct aivo_http_head *head, struct aivo_buf *body);
/* As much of body as fits into out->body, as one line. */
void diag_http_keep_body(struct diag_http *out, const struct aivo_buf *body);

void diag_http_init(struct diag_http *out);

#endif
