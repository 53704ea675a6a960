// Writes the texts that rows share, each once: contexts, answers, outcomes.
//
// A task calls Ensure() before it writes rows that refer to a window's texts. What is believed
// written is forgotten when the transaction, or a part of it, was rolled back.
// Threads: the committer's. Memory: at most kKnownMax ids.
#pragma once

#include <unordered_set>
#include <vector>

#include "services/epro/effects/reading.h"
#include "store/database.h"

namespace weir::epro {

class SharedTexts {
 public:
  base::Status Open(store::Connection& connection);
  base::Status Ensure(const Readings& readings);
  void Committed();
  void RolledBack();

 private:
  static constexpr size_t kKnownMax = 200'000;

  base::Status Add(HashId id, const Context& context);
  base::Status Add(HashId id, const SharedAnswer& answer);
  base::Status Add(HashId id, const Outcome& outcome);
  template <class Map>
  base::Status AddNew(const Map& map);

  store::Statement* context_ = nullptr;
  store::Statement* answer_ = nullptr;
  store::Statement* outcome_ = nullptr;
  std::unordered_set<HashId> known_;
  std::vector<HashId> pending_;  // added to known_ since the last commit
  uint64_t ensured_ = 0;         // the window done in this transaction; 0: none
};

}  // namespace weir::epro
