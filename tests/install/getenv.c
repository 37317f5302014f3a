/* Linked with --wrap: tells every environment variable that the program's own code asks for. */
#include <stdio.h>

char *__real_getenv(const char *name);
char *__real_secure_getenv(const char *name);
char *__wrap_getenv(const char *name);
char *__wrap_secure_getenv(const char *name);

char *__wrap_getenv(const char *name)
{
    printf("getenv %s\n", name);
    return __real_getenv(name);
}

char *__wrap_secure_getenv(const char *name)
{
    printf("getenv %s\n", name);
    return __real_secure_getenv(name);
}
