#include "tools/surge/api_shapes.h"

#include <simdjson.h>

namespace weir::surge {
namespace {

using simdjson::dom::element;

base::Error Unlike(const char* what) {
  return {base::ErrorCode::kInvalidArgument, std::string("the answer has no usable ") + what};
}

// The value at a JSON pointer ("/receipt/offset"), of the type wanted.
template <class T>
bool Read(const element& root, const char* pointer, T& to) {
  return root.at_pointer(pointer).get(to) == simdjson::SUCCESS;
}

base::Result<AlertShape> AlertOf(const element& root) {
  AlertShape alert;
  if (!Read(root, "/id", alert.id)) return base::Fail(Unlike("id"));
  if (!Read(root, "/report_id", alert.report_id)) return base::Fail(Unlike("report_id"));
  if (!Read(root, "/level", alert.level)) return base::Fail(Unlike("level"));
  if (!Read(root, "/state", alert.state)) return base::Fail(Unlike("state"));
  return alert;
}

}  // namespace

struct JsonReader::Parser {
  simdjson::dom::parser parser;
  base::Result<element> Parse(std::string_view json) {
    element root;
    if (const auto error = parser.parse(json.data(), json.size()).get(root)) {
      return base::Fail(base::ErrorCode::kInvalidArgument,
                        std::string("the answer is not JSON: ") + simdjson::error_message(error));
    }
    return root;
  }
};

JsonReader::JsonReader() : parser_(std::make_unique<Parser>()) {}
JsonReader::~JsonReader() = default;

base::Result<StoredReport> JsonReader::ReadStored(std::string_view json) {
  WEIR_ASSIGN_OR_RETURN(const element root, parser_->Parse(json));
  StoredReport stored;
  if (!Read(root, "/report_id", stored.report_id)) return base::Fail(Unlike("report_id"));
  if (!Read(root, "/receipt/offset", stored.offset)) return base::Fail(Unlike("receipt.offset"));
  if (!Read(root, "/receipt/sha256", stored.sha256)) return base::Fail(Unlike("receipt.sha256"));
  simdjson::dom::object tasks;
  if (!Read(root, "/tasks", tasks)) return base::Fail(Unlike("tasks"));
  for (const auto& [name, value] : tasks) {
    std::string_view state;
    if (value.get(state) != simdjson::SUCCESS) return base::Fail(Unlike("state of a task"));
    if (state != "applied") stored.not_applied.push_back(name);
  }
  return stored;
}

base::Result<AlertShape> JsonReader::ReadAlert(std::string_view json) {
  WEIR_ASSIGN_OR_RETURN(const element root, parser_->Parse(json));
  return AlertOf(root);
}

base::Result<std::optional<std::string>> JsonReader::ReadAlerts(
    std::string_view json, const std::function<void(const AlertShape&)>& each) {
  WEIR_ASSIGN_OR_RETURN(const element root, parser_->Parse(json));
  simdjson::dom::array alerts;
  if (!Read(root, "/alerts", alerts)) return base::Fail(Unlike("alerts"));
  for (const element& entry : alerts) {
    WEIR_ASSIGN_OR_RETURN(const AlertShape alert, AlertOf(entry));
    each(alert);
  }
  std::string_view next;
  if (!Read(root, "/next", next)) return std::optional<std::string>();
  return std::optional<std::string>(next);
}

base::Result<std::vector<TaskShape>> JsonReader::ReadTasks(std::string_view json) {
  WEIR_ASSIGN_OR_RETURN(const element root, parser_->Parse(json));
  simdjson::dom::array entries;
  if (!Read(root, "/tasks", entries)) return base::Fail(Unlike("tasks"));
  std::vector<TaskShape> tasks;
  for (const element& entry : entries) {
    std::string_view name, state;
    TaskShape task;
    if (!Read(entry, "/name", name)) return base::Fail(Unlike("name of a task"));
    if (!Read(entry, "/state", state)) return base::Fail(Unlike("state of a task"));
    if (!Read(entry, "/lag", task.lag)) return base::Fail(Unlike("lag of a task"));
    if (!Read(entry, "/quarantined", task.quarantined)) return base::Fail(Unlike("quarantined"));
    task.name = name;
    task.state = state;
    tasks.push_back(std::move(task));
  }
  return tasks;
}

base::Result<uint64_t> JsonReader::ReadReceived(std::string_view json) {
  WEIR_ASSIGN_OR_RETURN(const element root, parser_->Parse(json));
  uint64_t received = 0;
  if (Read(root, "/received", received) || Read(root, "/totals/received", received))
    return received;
  return base::Fail(Unlike("received"));
}

}  // namespace weir::surge
