/* In the spirit of espresso and barnes: trees are built, kept while others come and go, and dropped. */
#include "work.h"

typedef struct node {
  struct node *left, *right;
  char *name;
} node;

static node *build(unsigned depth, uint64_t *random) {
  node *n = malloc(sizeof(node) + next(random) % 3 * 16);
  size_t length = 4 + next(random) % 100;
  n->name = malloc(length);
  memset(n->name, 'x', length);
  n->left = depth == 0 ? NULL : build(depth - 1, random);
  n->right = depth == 0 ? NULL : build(depth - 1, random);
  return n;
}

static void drop(node *n) {
  if (n != NULL) {
    drop(n->left);
    drop(n->right);
    free(n->name);
    free(n);
  }
}

int main(void) {
  node *kept[16] = {0};
  uint64_t random = 5;
  for (unsigned i = 0; i < 500 / SHORT; i++) {
    unsigned at = (unsigned)(next(&random) % 16);
    drop(kept[at]);
    kept[at] = build(11 + i % 3, &random);
  }
  return 0;
}
