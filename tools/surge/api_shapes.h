// The server's JSON answers, as far as they are needed to check it. One JsonReader per thread;
// views in what it returns are valid until its next call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weir::surge {

struct StoredReport {
  std::string_view report_id;
  uint64_t offset = 0;
  std::string_view sha256;
  std::vector<std::string_view> not_applied;  // tasks whose state is not "applied"
};

struct AlertShape {
  std::string_view id;
  std::string_view report_id;
  std::string_view level;
  std::string_view state;
};

struct TaskShape {
  std::string name;
  std::string state;
  uint64_t lag = 0;
  uint64_t quarantined = 0;
};

class JsonReader {
 public:
  JsonReader();
  ~JsonReader();

  // kInvalidArgument: the answer is not of the shape that the API promises; says how.
  base::Result<StoredReport> ReadStored(std::string_view json);
  base::Result<AlertShape> ReadAlert(std::string_view json);
  // Calls `each` for every alert of a page; the path of the next page, if there is one.
  base::Result<std::optional<std::string>> ReadAlerts(
      std::string_view json, const std::function<void(const AlertShape&)>& each);
  base::Result<std::vector<TaskShape>> ReadTasks(std::string_view json);
  // `received` of a study's analytics.
  base::Result<uint64_t> ReadReceived(std::string_view json);

 private:
  struct Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace weir::surge
