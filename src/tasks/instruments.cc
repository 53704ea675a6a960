#include "tasks/instruments.h"

#include <mutex>

namespace weir::tasks {

base::Status Instruments::Add(std::string_view packed, base::Offset offset) {
  auto definition = clinical::Definition::Unpack(packed);
  if (!definition) {
    return base::Fail(base::ErrorCode::kInvalidArgument, definition.error().message);
  }
  const std::string hash((*definition)->hash().view());
  const std::unique_lock lock(mutex_);
  const auto [at, added] = by_hash_.try_emplace(hash, Known{*definition, offset});
  if (!added && offset < at->second.offset) at->second.offset = offset;
  return {};
}

const clinical::Definition* Instruments::Find(std::string_view hash, base::Offset before) const {
  const std::shared_lock lock(mutex_);
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end() || found->second.offset >= before) return nullptr;
  return found->second.definition.get();
}

}  // namespace weir::tasks
