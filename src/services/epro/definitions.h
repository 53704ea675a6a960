// The instruments in force: swapped whole at a reload, each version journalled before it is used.
#pragma once

#include <atomic>
#include <memory>

#include "base/clock.h"
#include "base/result.h"
#include "clinical/definition.h"
#include "journal/journal.h"

namespace weir::epro {

class Definitions {
 public:
  // Appends every definition that the journal does not hold yet, waits until they are durable, and
  // then puts the catalog in force. On an error the one before stays. Never from a loop.
  base::Status Install(journal::Journal& journal, const base::Clock& clock,
                       std::shared_ptr<const clinical::Catalog> catalog);

  // Any thread; never null after the first Install().
  std::shared_ptr<const clinical::Catalog> current() const {
    return current_.load(std::memory_order_acquire);
  }
  // Changes with every Install(): lets a loop keep the pointer until it is stale.
  uint64_t version() const { return version_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::shared_ptr<const clinical::Catalog>> current_;
  std::atomic<uint64_t> version_{0};
};

}  // namespace weir::epro
