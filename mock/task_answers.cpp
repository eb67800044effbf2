#include "mock/task_answers.hpp"

#include "core/scoring/scorer.hpp"
#include "core/tasks/promptfoo/test_file.hpp"
#include "core/tasks/sample_source.hpp"
#include "core/tasks/task_catalogue.hpp"
#include "mock/hash.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <unordered_map>

namespace assay::mock {

namespace {

constexpr size_t max_prompts = 5'000'000;

/// Reads the prompts of one task into a book.
class task_reader {
public:
  task_reader(std::shared_ptr<const tasks::task_definition> task, indexed_answer_book& book)
      : task_(std::move(task)), book_(book) {}

  std::optional<fault> read() {
    if (task_->promptfoo)
      return read_tests(*task_->promptfoo);
    // Its prompts are made when a run of it is submitted.
    if (task_->is_unprepared())
      return {};
    for (const auto& variant : task_->prompts)
      if (auto problem = read_variant(variant.name))
        return problem;
    return {};
  }

private:
  struct question {
    uint64_t row = 0;
    shared_text text;
    shared_text target;
    shared_text reference; ///< What the task itself calls a right answer; empty when it has none.
    shared_text wrong;     ///< Its wrong answers, as a JSON array.
  };

  /// The rows of a test file are known before a run writes them down.
  std::optional<fault> read_tests(const tasks::promptfoo::test_file& tests) {
    for (size_t index = 0; index < tests.rows.size(); ++index) {
      const auto row = nlohmann::ordered_json::parse(tests.rows[index], nullptr, false);
      if (!row.is_object() || row.contains("error"))
        continue;
      const shared_text target{row.at("assert").dump()};
      const auto other =
          nlohmann::ordered_json::parse(tests.rows[(index + 1) % tests.rows.size()], nullptr, false);
      const shared_text other_target{other.at("assert").dump()};
      for (size_t prompt = 0; prompt < tests.prompts.size(); ++prompt) {
        if (book_.size() >= max_prompts)
          return too_many();
        const auto& messages = row.at("messages_" + std::to_string(prompt + 1));
        const shared_text text{messages.back().at("content").get<std::string>()};
        write({index, text, target, {}, {}}, other_target, bonus_of_prompt_type(tests.prompts[prompt]));
      }
    }
    return {};
  }

  fault too_many() const {
    return {errc::too_large, "the tasks have more than 5000000 prompts; the rest is not known", task_->file,
            "give fewer task folders"};
  }

  /// A wrong answer borrows the next row's target, so a row is written down when the next one is known.
  std::optional<fault> read_variant(const std::string& name) {
    tasks::sample_options wanted;
    wanted.prompt_type = name;
    auto source = tasks::sample_source::open(task_, wanted);
    if (!source)
      return source.error();
    const auto bonus = bonus_of_prompt_type(name);
    tasks::prepared_sample sample;
    std::optional<question> last;
    shared_text first_target;
    for (;;) {
      const auto more = source->next(sample);
      if (!more)
        return more.error();
      if (!*more)
        break;
      if (sample.problem || sample.messages.empty())
        continue;
      if (last)
        write(*last, sample.target, bonus);
      else
        first_target = sample.target;
      last =
          question{sample.row, sample.messages.back().content, sample.target, sample.reference, sample.wrong};
      if (book_.size() >= max_prompts)
        return too_many();
    }
    if (last)
      write(*last, first_target, bonus);
    return {};
  }

  void write(const question& asked, std::string_view other_target, double bonus) {
    auto found = places_.find(asked.row);
    if (found == places_.end())
      found = places_.emplace(asked.row, answers_to(asked, other_target)).first;
    book_.add(asked.text.view(), found->second, bonus);
  }

  indexed_answer_book::place answers_to(const question& asked, std::string_view other_target) {
    const auto target = asked.target.view();
    if (!asked.reference.empty())
      return book_.store(asked.reference.str(), wrong_of(asked, other_target));
    // Several scorers may want different forms of the answer: the form that pleases most of them is said.
    std::string right;
    double best = -1;
    for (const auto& candidate : task_->scorers) {
      auto text = candidate->right_answer(target);
      double sum = 0;
      for (const auto& scorer : task_->scorers)
        sum += scorer->definition().weight * scorer->score(text, target).value;
      if (sum > best) {
        best = sum;
        right = std::move(text);
      }
    }
    return book_.store(right, wrong_of(asked, other_target));
  }

  /// One of the task's own wrong answers, or what the scorer makes up.
  std::string wrong_of(const question& asked, std::string_view other_target) const {
    const auto own = nlohmann::json::parse(asked.wrong.view(), nullptr, false);
    if (own.is_array() && !own.empty())
      if (const auto& text = own[mix(asked.row) % own.size()]; text.is_string())
        return text.get<std::string>();
    return primary().wrong_answer(asked.target.view(), other_target, mix(asked.row));
  }

  const scoring::scorer& primary() const {
    for (const auto& scorer : task_->scorers)
      if (scorer->definition().primary)
        return *scorer;
    return *task_->scorers.front();
  }

  const std::shared_ptr<const tasks::task_definition> task_;
  indexed_answer_book& book_;
  std::unordered_map<uint64_t, indexed_answer_book::place> places_; ///< By row; shared by the variants.
};

} // namespace

double bonus_of_prompt_type(std::string_view name) noexcept {
  const auto has = [name](std::string_view word) { return name.find(word) != std::string_view::npos; };
  return has("optimal") ? 0.05 : has("cot") || has("chain_of_thought") ? 0.03 : 0;
}

task_answers read_task_answers(std::span<const std::filesystem::path> folders) {
  auto loaded = tasks::load_task_folder(folders);
  task_answers out;
  out.faults = std::move(loaded.faults);
  auto book = std::make_shared<indexed_answer_book>();
  for (const auto& task : loaded.catalogue->list())
    if (auto problem = task_reader(task, *book).read())
      out.faults.push_back(std::move(*problem));
  book->seal();
  out.prompts = book->size();
  out.book = std::move(book);
  return out;
}

} // namespace assay::mock
