// A report's cleansed answers as the store keeps them: short where they are the usual ones.
#pragma once

#include <string>
#include <unordered_map>

#include "services/epro/effects/reading.h"

namespace weir::epro {

// Builds the items of one window's reports. An answer whose code is the item's, sent in a form that
// the item itself names (the option's code or display, or a short number), stands in the store once
// and is referred to by its id; any other stands in the report's own row.
class ItemWriter {
 public:
  explicit ItemWriter(Shared& shared) : shared_(shared) {}

  // Fills reading.items and reading.research_items.
  void Write(const clinical::Definition* definition, const clinical::Evaluation& evaluation,
             Reading* reading);

 private:
  const clinical::Item* ItemAt(const clinical::Definition* definition, std::string_view address,
                               size_t guess) const;
  HashId Share(const clinical::CleanItem& item);

  Shared& shared_;
  std::string key_;
  std::unordered_map<std::string, HashId> ids_;  // of answers already in shared_
};

}  // namespace weir::epro
