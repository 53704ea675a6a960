// A callable that is run at most once and may own what cannot be copied (std::function cannot).
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace weir::exec {

class Task {
 public:
  Task() = default;
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, Task> && std::is_invocable_v<F&>)
  Task(F&& body)  // NOLINT(bugprone-forwarding-reference-overload): the constraint excludes Task
      : body_(std::make_unique<Holder<std::decay_t<F>>>(std::forward<F>(body))) {}

  explicit operator bool() const { return body_ != nullptr; }
  void operator()() { body_->Run(); }

 private:
  struct Body {
    virtual ~Body() = default;
    virtual void Run() = 0;
  };
  template <class F>
  struct Holder final : Body {
    explicit Holder(F&& f) : run(std::move(f)) {}
    explicit Holder(const F& f) : run(f) {}
    void Run() override { run(); }
    F run;
  };
  std::unique_ptr<Body> body_;
};

}  // namespace weir::exec
