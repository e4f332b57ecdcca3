/* JSON Web Tokens, HS256, for development: what `aivo token` prints and --token-secret sends. */
#ifndef CLI_TOKEN_H
#define CLI_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#define CLI_TOKEN_TTL_DEFAULT_S 3600
#define CLI_TOKEN_TTL_MAX_S     315360000 /* ten years */

/* 1..CLI_USER_MAX bytes of UTF-8. */
bool cli_token_user_valid(const char *user);

/* A token for user (as sub and userId), issued at now_s (Unix time), for ttl_s seconds. Owned by the caller; NULL when
 * memory is short. Nothing but now_s changes from call to call: the same arguments give the same token. */
char *cli_token_mint(const char *secret, const char *user, int64_t now_s, int64_t ttl_s);

#endif
