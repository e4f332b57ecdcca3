#include <aivo/aivo.h>
#include <stdio.h>

int main(void)
{
    struct aivo_options options;
    aivo_options_init(&options);
    options.url = "http://127.0.0.1:1";
    struct aivo_client *client;
    if (aivo_client_create(&options, &client, NULL) != AIVO_OK)
        return 1;
    aivo_client_destroy(client);
    printf("aivo %s\n", aivo_version());
    return 0;
}
