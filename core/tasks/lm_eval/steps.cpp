#include "core/tasks/dataset.hpp"
#include "core/tasks/lm_eval/definition.hpp"
#include "core/tasks/lm_eval/task_config.hpp"
#include "core/tasks/prepared_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace assay::tasks {
namespace {

/// Columns keep their order, which hashes of rows depend on.
using json = nlohmann::ordered_json;
using lm_eval::task_config;

constexpr size_t page_rows = 1'000;
constexpr size_t page_bytes = size_t{8} << 20U;
/// What is sent whole: rows for process_docs, and those from which examples are drawn.
constexpr size_t whole_bytes = size_t{96} << 20U;

/// Reads the files of a source one after the other.
class row_stream {
public:
  explicit row_stream(const lm_eval::data_source& source) : files_(source.files) {}

  /// @returns the next row as JSON text; nothing at the end.
  result<std::optional<std::string>> next() {
    while (true) {
      if (!reader_) {
        if (at_ == files_.size())
          return std::optional<std::string>{};
        auto opened = dataset_reader::open(files_[at_++]);
        if (!opened)
          return opened.error();
        reader_ = std::move(*opened);
      }
      auto row = reader_->next();
      if (!row)
        return row.error();
      if (!*row) {
        reader_.reset();
        continue;
      }
      for (const auto& name : (*row)->fields.names())
        columns_.insert(name);
      std::string text;
      (*row)->fields.append_to(text);
      return std::optional(std::move(text));
    }
  }

  const std::set<std::string>& columns() const noexcept { return columns_; }

private:
  std::vector<std::string> files_;
  size_t at_ = 0;
  std::unique_ptr<dataset_reader> reader_;
  std::set<std::string> columns_;
};

/// @returns all rows as a JSON array.
result<std::string> whole(const lm_eval::data_source& source, uint64_t limit, std::set<std::string>& columns,
                          const char* what) {
  row_stream rows(source);
  std::string out = "[";
  uint64_t count = 0;
  for (; count < limit; ++count) {
    auto row = rows.next();
    if (!row)
      return row.error();
    if (!*row)
      break;
    if (count > 0)
      out.push_back(',');
    out.append(**row);
    if (out.size() > whole_bytes)
      return fault{errc::too_large, std::string("over 96 MiB of rows: ") + what,
                   source.files.empty() ? std::string{} : source.files.front(), "make the dataset smaller"};
  }
  columns = rows.columns();
  return out.append("]");
}

fault malformed(std::string what) {
  return {errc::malformed_answer, "the Python host's answer " + std::move(what), {}, "see the log"};
}

class lm_eval_steps final : public preparation_steps {
public:
  explicit lm_eval_steps(const preparation& what)
      : what_(what), task_(*what.task->lm_eval), config_(json::parse(task_.json)), file_(what),
        num_fewshot_(what.options.num_fewshot.value_or(task_.num_fewshot)), rows_(task_.rows) {
    const auto fewshot = config_.value("fewshot_config", json::object());
    lists_examples_ = fewshot.contains("samples") && !fewshot["samples"].is_null();
    processes_ = config_.contains("process_docs");
    processes_examples_ =
        processes_ || (fewshot.contains("process_docs") && !fewshot["process_docs"].is_null());
  }

  result<void> open() { return file_.open(); }

  result<std::optional<preparation_request>> next() override {
    switch (now_) {
    case phase::rows:
      return ask_rows();
    case phase::examples:
      return ask_examples();
    case phase::pages:
      return ask_page();
    case phase::over:
      break;
    }
    return std::optional<preparation_request>{};
  }

  result<void> take(std::string_view value) override {
    const auto answer = json::parse(value, nullptr, false);
    if (!answer.is_object())
      return malformed("is no JSON object");
    switch (now_) {
    case phase::rows:
      return take_docs(answer, docs_, phase::examples);
    case phase::examples:
      return take_docs(answer, examples_, phase::pages);
    case phase::pages:
      return take_page(answer);
    case phase::over:
      break;
    }
    return malformed("was not asked for");
  }

private:
  enum class phase : uint8_t { rows, examples, pages, over };

  /// process_docs may leave rows out or put them in another order, so it sees all of them.
  result<std::optional<preparation_request>> ask_rows() {
    if (!processes_) {
      now_ = phase::examples;
      return ask_examples();
    }
    auto text = whole(task_.rows, UINT64_MAX, columns_, "process_docs sees all rows at once");
    if (!text)
      return text.error();
    return std::optional(
        preparation_request{"process_docs", R"({"task":)" + task_.json + R"(,"docs":)" + *text + "}"});
  }

  result<std::optional<preparation_request>> ask_examples() {
    if (num_fewshot_ == 0 || lists_examples_) {
      now_ = phase::pages;
      return begin_pages();
    }
    std::set<std::string> columns;
    auto text = whole(task_.examples, UINT64_MAX, columns, "few-shot examples are drawn from all of them");
    if (!text)
      return text.error();
    if (!processes_examples_) {
      examples_ = json::parse(*text);
      now_ = phase::pages;
      return begin_pages();
    }
    return std::optional(preparation_request{
        "process_docs", R"({"task":)" + task_.json + R"(,"fewshot":true,"docs":)" + *text + "}"});
  }

  result<void> take_docs(const json& answer, json& into, phase next) {
    const auto docs = answer.find("docs");
    if (docs == answer.end() || !docs->is_array())
      return malformed("has no docs");
    into = *docs;
    now_ = next;
    return {};
  }

  /// Names of columns decide what a template is, so they are those of all rows.
  result<std::optional<preparation_request>> begin_pages() {
    if (processes_) {
      columns_.clear();
      for (const auto& doc : docs_)
        for (const auto& [name, _] : doc.items())
          columns_.insert(name);
    } else {
      row_stream all(task_.rows);
      while (true) {
        auto row = all.next();
        if (!row)
          return row.error();
        if (!*row)
          break;
      }
      columns_ = all.columns();
    }
    return ask_page();
  }

  /// @returns the next rows as a JSON array, empty text at the end.
  result<std::string> next_page() {
    const uint64_t limit = what_.options.limit.value_or(UINT64_MAX);
    std::string out;
    asked_ = 0;
    while (asked_ < page_rows && out.size() < page_bytes && taken_ + asked_ < limit) {
      std::string row;
      if (processes_) {
        if (taken_ + asked_ >= docs_.size())
          break;
        row = docs_[taken_ + asked_].dump(-1, ' ', false, json::error_handler_t::replace);
      } else {
        auto read = rows_.next();
        if (!read)
          return read.error();
        if (!*read)
          break;
        row = std::move(**read);
      }
      out.append(asked_ == 0 ? "[" : ",").append(row);
      ++asked_;
    }
    return asked_ == 0 ? std::string{} : out.append("]");
  }

  result<std::optional<preparation_request>> ask_page() {
    auto page = next_page();
    if (!page)
      return page.error();
    if (page->empty()) {
      if (auto good = finish(); !good)
        return good.error();
      return std::optional<preparation_request>{};
    }
    json rest;
    rest["processed"] = true;
    rest["columns"] = columns_;
    rest["num_fewshot"] = num_fewshot_;
    rest["fewshot_seed"] = what_.options.seed.value_or(1234);
    rest["first_doc_id"] = taken_;
    rest["fewshot_docs"] = examples_;
    std::string text = rest.dump(-1, ' ', false, json::error_handler_t::replace);
    text.back() = ',';
    return std::optional(preparation_request{"prepare_lm_eval",
                                             text + R"("task":)" + task_.json + R"(,"docs":)" + *page + "}"});
  }

  result<void> take_page(const json& answer) {
    const auto samples = answer.find("samples");
    if (samples == answer.end() || !samples->is_array() || samples->size() != asked_)
      return malformed("has not one sample for each row");
    for (const auto& sample : *samples) {
      if (!sample.is_object())
        return malformed("has a sample that is no object");
      const json row = make_row(sample, taken_);
      if (auto good = file_.write(row.dump(-1, ' ', false, json::error_handler_t::replace)); !good)
        return good;
      ++taken_;
    }
    return {};
  }

  json make_row(const json& sample, uint64_t number) {
    json row;
    row["id"] = std::to_string(number);
    row["doc_id"] = number;
    row["doc"] = sample.value("doc", json::object());
    if (const auto error = sample.find("error"); error != sample.end() && !error->is_null()) {
      row["error"] = error->is_object() ? error->value("message", "the template failed") : error->dump();
      return row;
    }
    const auto messages = sample.find("messages");
    if (messages != sample.end() && messages->is_array()) {
      row["messages"] = *messages;
    } else {
      row["error"] = "the Python host gave no messages";
      return row;
    }
    if (const auto context = sample.find("context"); context != sample.end())
      row["context"] = *context;
    const auto targets = sample.find("targets");
    const bool several = targets != sample.end() && targets->is_array();
    many_ = many_ || several;
    row["targets"] = several ? *targets : json::array({sample.value("target", json(""))});
    row["target"] = several ? json(targets->dump(-1, ' ', false, json::error_handler_t::replace))
                            : sample.value("target", json(""));
    for (const char* key : {"choices", "right", "continuations"})
      if (sample.contains(key))
        row[key] = sample[key];
    // What a function of the task's own is given.
    if (!task_.functions.empty())
      row["scored"] = {{"doc", row["doc"]},
                       {several ? "targets" : "target", several ? row["targets"] : row["target"]}};
    return row;
  }

  result<void> finish() {
    if (taken_ == 0)
      return fault{errc::dataset_unreadable, "no row is left to ask", task_.rows.files.front(),
                   processes_ ? "see the task's process_docs" : ""};
    now_ = phase::over;
    return file_.finish(lm_eval::own_yaml(task_, what_.rows_path, many_, num_fewshot_));
  }

  preparation what_;
  const task_config& task_;
  json config_;
  prepared_file file_;
  uint32_t num_fewshot_;
  row_stream rows_;
  bool lists_examples_ = false;
  bool processes_ = false;
  bool processes_examples_ = false;
  phase now_ = phase::rows;
  json docs_ = json::array();
  json examples_ = json::array();
  std::set<std::string> columns_;
  uint64_t taken_ = 0;
  uint64_t asked_ = 0;
  bool many_ = false;
};

} // namespace

result<std::unique_ptr<preparation_steps>> begin_lm_eval(const preparation& what) {
  auto out = std::make_unique<lm_eval_steps>(what);
  if (auto good = out->open(); !good)
    return good.error();
  return std::unique_ptr<preparation_steps>(std::move(out));
}

} // namespace assay::tasks
