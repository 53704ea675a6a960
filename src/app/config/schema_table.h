// How the table in schema.cc and schema_alerts.cc is written down.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "app/config/schema.h"

namespace weir::config {

inline constexpr double kDay = 86'400'000;
inline constexpr double kMiB = 1 << 20;
inline constexpr double kGiB = 1 << 30;
inline constexpr double kTiB = 1024 * kGiB;
inline constexpr double kMillion = 1e6;

class Table {
 public:
  template <class F>
  Key& Add(std::string path, Type type, std::string doc, F field) {
    Key& key = keys_.emplace_back();
    key.path = std::move(path);
    key.type = type;
    key.doc = std::move(doc);
    key.field = [field](Config& config, const Captures&) -> Field { return field(config); };
    return key;
  }
  // `instances` lists the names in use; `field` gets them.
  template <class F, class I>
  Key& AddEach(std::string path, Type type, std::string doc, F field, I instances) {
    Key& key = keys_.emplace_back();
    key.path = std::move(path);
    key.type = type;
    key.doc = std::move(doc);
    key.field = [field](Config& config, const Captures& captures) -> Field {
      return field(config, captures.front());
    };
    key.instances = instances;
    return key;
  }
  std::vector<Key> Take() { return std::move(keys_); }

 private:
  std::vector<Key> keys_;
};

void AddGuard(Table& table);
void AddAlerts(Table& table);
void AddStudies(Table& table);
void AddTrace(Table& table);

}  // namespace weir::config
