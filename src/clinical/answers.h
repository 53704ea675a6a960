// The answers in a report's data, as they were given: nothing is judged here but what each form
// says.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clinical/json_reader.h"

namespace weir::clinical {

enum class Form : uint8_t {
  kNull,
  kBoolean,
  kNumber,
  kText,
  kCoding,
  kQuantity,
  kDate,
  kDateTime,
  kTime,
  kUri,
  kReference,
  kAttachment,
  kOther
};

// One answer. Views point into the data, or into Answers for what had to be unescaped.
struct Given {
  uint32_t entry = 0;  // whose answer it is
  Form form = Form::kOther;
  bool boolean = false;
  std::optional<double> number;  // kNumber, kQuantity; nullopt there: no finite double
  std::string_view raw;          // the JSON value
  std::string_view text;         // the text; the code of a coding; the UCUM code of a quantity
  std::string_view system, display;
  std::string_view unit;  // of a quantity, as people write it
};

// One link id with its answers, as often as it was sent.
struct Entry {
  std::string_view address;
  bool has_answer = false;  // some value was sent, be it null
  bool has_items = false;   // others stand below it (QuestionnaireResponse)
};

struct Answers {
  enum class Shape : uint8_t { kFreeText, kObject, kResponse, kOtherResource, kUnreadable };

  // A report holds at most this many; what comes after is left out, and `cut` says so.
  static constexpr size_t kGivenMax = 10'000;

  Shape shape = Shape::kUnreadable;
  std::vector<Entry> entries;
  std::vector<Given> given;
  std::string_view authored;       // of a QuestionnaireResponse
  std::string_view questionnaire;  // canonical, likewise
  bool malformed = false;          // not JSON from some point on: what came before was read
  bool cut = false;

  void Read(std::string_view data_json);

 private:
  friend class AnswerReader;
  void Clear();
  std::deque<std::string> unescaped_;
};

// Read into storage that the thread keeps: valid until the thread's next call.
const Answers& ReadAnswers(std::string_view data_json);

}  // namespace weir::clinical
