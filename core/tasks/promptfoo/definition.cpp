#include "core/tasks/promptfoo/definition.hpp"

#include "core/tasks/prepared_file.hpp"

#include <nlohmann/json.hpp>
#include <yaml-cpp/yaml.h>

#include <memory>
#include <utility>

namespace assay::tasks {

namespace promptfoo {

std::string own_yaml(const test_file& tests, const std::string& dataset) {
  using json = nlohmann::ordered_json;
  json out;
  out["id"] = tests.id;
  if (!tests.description.empty())
    out["description"] = tests.description;
  out["category"] = "single_turn";
  out["tags"] = json::array({"promptfoo"});
  out["dataset"] = dataset;
  out["dataset_format"] = "jsonl";
  out["prompts"] = json::object();
  for (size_t i = 0; i < tests.prompts.size(); ++i)
    out["prompts"][tests.prompts[i]]["messages"] = "messages_" + std::to_string(i + 1);
  out["target"] = "{assert}";
  json score = json::object();
  score["type"] = "assertions";
  score["name"] = "score";
  json pass = score;
  pass["name"] = pass["variant"] = "pass";
  pass["primary"] = false;
  out["scorers"] = json::array({score, pass});
  if (tests.repeat && *tests.repeat > 1)
    out["epochs"] = *tests.repeat;
  json origin = json::object();
  origin["format"] = "promptfoo";
  origin["notes"] = tests.notes;
  out["origin"] = origin.dump(-1, ' ', false, json::error_handler_t::replace);
  YAML::Emitter text;
  text << YAML::Load(out.dump(-1, ' ', false, json::error_handler_t::replace));
  return std::string(text.c_str(), text.size()) + "\n";
}

std::string rows_text(const test_file& tests) {
  std::string out;
  for (const auto& row : tests.rows)
    out.append(row).append("\n");
  return out;
}

result<task_definition> to_definition(test_file tests, const std::string& file) {
  auto out = parse_task(own_yaml(tests, file), file, {});
  if (!out) {
    auto reason = out.error();
    // Lines of the text above mean nothing to the author.
    const size_t key = reason.where.find(": ");
    reason.where = file + (key == std::string::npos ? "" : reason.where.substr(key));
    return reason;
  }
  out->file = file;
  out->promptfoo = std::make_shared<const test_file>(std::move(tests));
  return out;
}

} // namespace promptfoo

namespace {

/// Writes the rows, which the reader has made already.
class promptfoo_steps final : public preparation_steps {
public:
  explicit promptfoo_steps(const preparation& what)
      : tests_(what.task->promptfoo), rows_path_(what.rows_path), limit_(what.options.limit), file_(what) {}

  result<void> open() { return file_.open(); }

  result<std::optional<preparation_request>> next() override {
    uint64_t count = 0;
    for (const auto& row : tests_->rows) {
      if (limit_ && count++ >= *limit_)
        break;
      if (auto good = file_.write(row); !good)
        return good.error();
    }
    if (auto good = file_.finish(promptfoo::own_yaml(*tests_, rows_path_)); !good)
      return good.error();
    return std::optional<preparation_request>{};
  }

  result<void> take(std::string_view) override {
    return fault{errc::malformed_answer, "nothing was asked for", {}, "see the log"};
  }

private:
  std::shared_ptr<const promptfoo::test_file> tests_;
  std::string rows_path_;
  std::optional<uint64_t> limit_;
  prepared_file file_;
};

} // namespace

result<std::unique_ptr<preparation_steps>> begin_promptfoo(const preparation& what) {
  auto out = std::make_unique<promptfoo_steps>(what);
  if (auto good = out->open(); !good)
    return good.error();
  return std::unique_ptr<preparation_steps>(std::move(out));
}

} // namespace assay::tasks
