/* A JSON Web Token as its bearer sees it: decoded, not verified. Pure. */
#ifndef AIVO_DIAG_TOKEN_H
#define AIVO_DIAG_TOKEN_H

#include "facts.h"

/* Looks for a token in the CONNECT payload (a JSON object's text, or NULL): its member "token", else any that has the
 * form of one; else in the request headers: "Authorization: Bearer ...". */
void diag_token_find(const char *auth, const char *headers, struct diag_token *out);

#endif
