/*
 * A JSON Web Token as its bearer sees it: taken apart and decoded. No signature is verified here.
 *
 * Bounds: AIVO_WEBTOKEN_MAX bytes; longer ones are not looked into.
 */
#ifndef AIVO_CORE_WEBTOKEN_H
#define AIVO_CORE_WEBTOKEN_H

#include "json.h"

#define AIVO_WEBTOKEN_MAX 65536

struct aivo_webtoken {
    struct aivo_json header, claims; /* objects; they borrow from: */
    struct aivo_buf header_text, claims_text;
};

/* False: not three parts of base64url of which the first two are JSON objects (the third, the signature, may be empty).
 * Whatever it returned, aivo_webtoken_free() gives the memory back. */
bool aivo_webtoken_decode(struct aivo_webtoken *token, const char *text, size_t len);
void aivo_webtoken_free(struct aivo_webtoken *token);
/* A point in time that the claims name, such as "exp", in whole seconds of Unix time; 0: they do not, or it is none. */
int64_t aivo_webtoken_time(const struct aivo_webtoken *token, const char *name);

#endif
