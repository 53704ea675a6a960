// Keys of go-zero's files that nothing here can be set by, so that whoever brings such a file is
// told what holds instead. Those that have a meaning here are other spellings of its key, in the
// table of schema.h.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/config/document.h"
#include "app/config/schema.h"

namespace weir::config {

struct GoZeroKey {
  std::string_view path;  // of the key, or of a group of keys
  // What it may say, for it is so here anyway.
  std::vector<std::string_view> same;
  std::string_view instead;  // a sentence: what is so, and what to write
};

const std::vector<GoZeroKey>& GoZeroKeys();

// Whether `path` is one of them, or begins one; they stand at the top, or under Rest.
Match FindGoZero(const Path& path, const GoZeroKey** key);
// What is wrong with the value of `node`, or nothing.
std::optional<std::string> CheckGoZero(const GoZeroKey& key, const Node& node);

}  // namespace weir::config
