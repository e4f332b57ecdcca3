/* Certificates for tests, made on the spot in a directory of their own. EC keys: they take a millisecond. */
#ifndef AIVO_TESTS_CERTS_H
#define AIVO_TESTS_CERTS_H

struct certs {
    char dir[64];
    /* PEM files in dir */
    char ca[96];          /* the CA that signed all below but self */
    char other_ca[96];    /* a CA that signed nothing here */
    char key[96];         /* the server's key, of every certificate below */
    char server[96];      /* localhost, 127.0.0.1, ::1 */
    char name_only[96];   /* good.example, also.example */
    char expired[96];     /* as server, until 2020-01-02 */
    char future[96];      /* as server, from 2099 */
    char soon[96];        /* as server, for two and a half more days of 30 */
    char short_lived[96]; /* as server, of two and a half days of which half a day is over */
    char self[96];        /* as server, self-signed */
    char client[96];      /* a client's certificate, with client_key */
    char client_key[96];
    char locked_key[96]; /* client_key with a passphrase */
    char pin[64];        /* sha256//... of key */
};

void certs_make(struct certs *certs);
void certs_free(struct certs *certs); /* removes the directory */

#endif
