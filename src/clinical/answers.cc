#include "clinical/answers.h"

#include <utility>

#include "clinical/rules.h"

namespace weir::clinical {

using Kind = JsonReader::Kind;

class AnswerReader {
 public:
  AnswerReader(std::string_view data, Answers* out) : data_(data), json_(data), out_(*out) {}

  void Read() {
    switch (json_.Peek()) {
      case Kind::kString:
        out_.shape = Answers::Shape::kFreeText;
        json_.String();
        break;
      case Kind::kObject:
        out_.shape = Answers::Shape::kObject;
        ReadObject();
        break;
      default:
        out_.shape = Answers::Shape::kUnreadable;
        json_.Skip();
    }
    out_.malformed = json_.failed() || !json_.AtEnd();
  }

 private:
  std::string_view View(const JsonString& string) {
    if (!string.escaped) return string.raw;
    // PHP and others write the slash of a link id as "\/": what follows it needs no copy.
    if (string.raw.starts_with("\\/") && string.raw.find('\\', 1) == std::string_view::npos) {
      return string.raw.substr(1);
    }
    return out_.unescaped_.emplace_back(Unescape(string.raw));
  }

  std::string_view Text() {
    if (json_.Peek() == Kind::kString) return View(json_.String());
    json_.Skip();
    return {};
  }

  uint32_t NewEntry(std::string_view address) {
    out_.entries.push_back({address, false, false});
    return static_cast<uint32_t>(out_.entries.size() - 1);
  }

  bool Full(size_t size) {
    const bool full = size >= Answers::kGivenMax;
    out_.cut = out_.cut || full;
    return full;
  }

  // {link id: answer, …}, until a resourceType shows that it is something else.
  void ReadObject() {
    json_.BeginObject();
    JsonString key;
    while (json_.NextMember(&key)) {
      if (key.raw == "resourceType" && json_.Peek() == Kind::kString) {
        const std::string_view type = View(json_.String());
        ReadResource(type == "QuestionnaireResponse");
        return;
      }
      if (Full(out_.entries.size())) {
        json_.Skip();
        continue;
      }
      const uint32_t entry = NewEntry(Address(View(key)));
      if (json_.Peek() == Kind::kArray) {
        json_.BeginArray();
        while (json_.NextElement()) ReadAnswer(entry);
      } else {
        ReadAnswer(entry);
      }
    }
  }

  // Again from the start: members may stand in any order.
  void ReadResource(bool response) {
    out_.entries.clear();
    out_.given.clear();
    out_.cut = false;
    out_.shape = response ? Answers::Shape::kResponse : Answers::Shape::kOtherResource;
    json_ = JsonReader(data_);
    json_.BeginObject();
    JsonString key;
    while (json_.NextMember(&key)) {
      if (response && key.raw == "item") {
        ReadItems();
      } else if (response && key.raw == "authored") {
        out_.authored = Text();
      } else if (response && key.raw == "questionnaire") {
        out_.questionnaire = Text();
      } else {
        json_.Skip();
      }
    }
  }

  // One object, or an array of them.
  template <class Visit>
  void Each(Visit visit) {
    const auto one = [&] {
      if (json_.Peek() == Kind::kObject) {
        visit();
      } else {
        json_.Skip();
      }
    };
    if (json_.Peek() != Kind::kArray) return one();
    json_.BeginArray();
    while (json_.NextElement()) one();
  }

  // NOLINTNEXTLINE(misc-no-recursion): bounded by JsonReader::kDepthMax.
  void ReadItems() {
    Each([&] {
      if (Full(out_.entries.size())) return json_.Skip();
      const uint32_t entry = NewEntry({});
      json_.BeginObject();
      JsonString key;
      while (json_.NextMember(&key)) {
        if (key.raw == "linkId") {
          out_.entries[entry].address = Address(Text());
        } else if (key.raw == "item") {
          out_.entries[entry].has_items = true;
          ReadItems();
        } else if (key.raw == "answer") {
          Each([&] { ReadResponseAnswer(entry); });
        } else {
          json_.Skip();
        }
      }
    });
  }

  // {"value[x]": …, "item": […]}
  void ReadResponseAnswer(uint32_t entry) {
    json_.BeginObject();
    JsonString key;
    while (json_.NextMember(&key)) {
      if (key.raw == "item") {
        out_.entries[entry].has_items = true;
        ReadItems();
      } else if (key.raw.starts_with("value")) {
        ReadAnswer(entry, key.raw.substr(5));
      } else {
        json_.Skip();
      }
    }
  }

  // `type`: the x of value[x]; empty: told by the value itself.
  void ReadAnswer(uint32_t entry, std::string_view type = {}) {
    if (Full(out_.given.size())) return json_.Skip();
    Given& given = out_.given.emplace_back();
    given.entry = entry;
    ReadValue(&given, type);
    if (json_.failed()) {  // half a value is no answer
      out_.given.pop_back();
    } else {
      out_.entries[entry].has_answer = true;
    }
  }

  void ReadValue(Given* given, std::string_view type) {
    const Kind kind = json_.Peek();
    const char* const from = json_.at();
    switch (kind) {
      case Kind::kString:
        given->form = FormOfText(type);
        given->text = View(json_.String());
        break;
      case Kind::kNumber:
        given->form = Form::kNumber;
        given->number = ToDouble(json_.Number());
        break;
      case Kind::kTrue:
      case Kind::kFalse:
        given->form = Form::kBoolean;
        given->boolean = kind == Kind::kTrue;
        json_.Literal();
        break;
      case Kind::kNull:
        given->form = Form::kNull;
        json_.Literal();
        break;
      case Kind::kObject:
        ReadStructure(given);
        break;
      default:
        json_.Skip();
    }
    given->raw = {from, static_cast<size_t>(json_.at() - from)};
  }

  static Form FormOfText(std::string_view type) {
    if (type.empty() || type == "String") return Form::kText;
    if (type == "Date") return Form::kDate;
    if (type == "DateTime" || type == "Instant") return Form::kDateTime;
    if (type == "Time") return Form::kTime;
    if (type == "Uri" || type == "Url" || type == "Canonical") return Form::kUri;
    return Form::kText;  // a number or a boolean between quotes
  }

  // Coding, Quantity, Reference, Attachment, or {"value[x]": …} by itself.
  // NOLINTNEXTLINE(misc-no-recursion): bounded by JsonReader::kDepthMax.
  void ReadStructure(Given* given) {
    json_.BeginObject();
    JsonString key;
    while (json_.NextMember(&key)) {
      const std::string_view name = key.raw;
      if (name == "code" || name == "system" || name == "display" || name == "unit") {
        std::string_view& field = name == "code"      ? given->text
                                  : name == "system"  ? given->system
                                  : name == "display" ? given->display
                                                      : given->unit;
        field = json_.Peek() == Kind::kNumber ? json_.Number() : Text();
        if (given->form == Form::kOther && (name == "code" || name == "display")) {
          given->form = Form::kCoding;
        }
      } else if (name == "value") {
        given->form = Form::kQuantity;
        given->number = json_.Peek() == Kind::kNumber ? ToDouble(json_.Number()) : ToDouble(Text());
      } else if (name == "reference") {
        given->form = Form::kReference;
        given->text = Text();
      } else if (name == "contentType" || name == "data" || name == "url") {
        if (given->form == Form::kOther) given->form = Form::kAttachment;
        json_.Skip();
      } else if (name.starts_with("value")) {
        ReadValue(given, name.substr(5));
      } else {
        json_.Skip();
      }
    }
  }

  std::string_view data_;
  JsonReader json_;
  Answers& out_;
};

void Answers::Clear() {
  // One huge report must not leave its storage with the thread for ever.
  constexpr size_t kKept = 1024;
  if (given.capacity() > kKept) std::vector<Given>().swap(given);
  if (entries.capacity() > kKept) std::vector<Entry>().swap(entries);
  given.clear();
  entries.clear();
  unescaped_.clear();
  authored = questionnaire = {};
  malformed = cut = false;
}

void Answers::Read(std::string_view data_json) {
  Clear();
  AnswerReader(data_json, this).Read();
}

const Answers& ReadAnswers(std::string_view data_json) {
  thread_local Answers answers;
  answers.Read(data_json);
  return answers;
}

}  // namespace weir::clinical
