// A YAML document, read into a tree that knows its lines. What yaml-cpp offers beyond a tree of
// scalars, lists and maps (anchors, aliases, several documents, keys that are not text) is refused,
// and so is what exceeds the bounds, so that no input costs more than its size.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weir::config {

inline constexpr size_t kDocumentBytesMax = 1u << 20;
inline constexpr size_t kDocumentDepthMax = 32;

struct Node {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Member;
  Kind kind = Kind::kNull;
  std::string text;  // of a scalar
  bool quoted = false;
  int line = 0;                 // from 1
  std::vector<Node> items;      // of a list
  std::vector<Member> members;  // of a map, in order; no name twice
};
struct Node::Member {
  std::string name;
  int line = 0;
  Node value;
};

// The message begins with the line: "3: …". An empty document is a null.
base::Result<Node> ParseDocument(std::string_view yaml);

}  // namespace weir::config
