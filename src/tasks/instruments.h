// The instruments' versions that the journal holds, by hash and by where they were journalled.
//
// A record is evaluated by the version that its head names, and only if that was journalled before
// the record (or before the record that replays it): so a rebuild decides as the first run did.
// Threads: Find() from any; Add() from one at a time.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/offset.h"
#include "base/result.h"
#include "clinical/definition.h"

namespace weir::tasks {

class Instruments {
 public:
  using DefinitionPtr = std::shared_ptr<const clinical::Definition>;

  // `packed` is the body of a kDefinition record at `offset`. kInvalidArgument: it does not
  // compile. The first offset of a hash counts.
  base::Status Add(std::string_view packed, base::Offset offset);
  // Nullptr: not journalled before `before`. `hash`: 32 bytes. Lives as long as this object.
  const clinical::Definition* Find(std::string_view hash, base::Offset before) const;

 private:
  struct Known {
    DefinitionPtr definition;  // shared: a catalog may hold the same one
    base::Offset offset;
  };
  mutable std::shared_mutex mutex_;
  std::map<std::string, Known, std::less<>> by_hash_;
};

}  // namespace weir::tasks
