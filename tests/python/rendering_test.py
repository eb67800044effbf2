"""Templates: lm-eval's settings, in a sandbox."""

import unittest

import support
from assay_worker.faults import Fault
from assay_worker.lm_eval import render_rows
from assay_worker.rendering import render


class Rendering(unittest.TestCase):
    def test_keeps_the_last_newline_and_python_methods(self):
        self.assertEqual(render("{{question.strip()}}\nAnswer:\n", {"question": " why? "}), "why?\nAnswer:\n")

    def test_replaces_by_pattern(self):
        self.assertEqual(render("{{a | regex_replace('b+', 'x')}}", {"a": "abbab"}), "axax")
        self.assertEqual(render("{{a | regex_replace('b', 'x', 1)}}", {"a": "abb"}), "axb")

    def test_a_missing_column_is_an_error_that_names_it(self):
        with self.assertRaises(Fault) as caught:
            render("{{missing}}", {"there": 1})
        self.assertEqual(caught.exception.kind, "template_failed")
        self.assertIn("missing", str(caught.exception))
        self.assertIn("there", caught.exception.hint)

    def test_a_wrong_template_names_its_line(self):
        with self.assertRaisesRegex(Fault, "line 2"):
            render("{{a}}\n{% if %}", {"a": 1})

    def test_a_row_with_any_column_name_is_filled(self):
        self.assertEqual(render("{{x}}", {"x": 1, "self": 2, "a b": 3}), "1")

    def test_templates_reach_nothing_and_change_nothing(self):
        rows = {"a": [1]}
        for template in ("{{ ''.__class__.__mro__ }}", "{{ a.append(2) }}", "{{ a.__init__.__globals__ }}",
                         "{{ '{0.__class__}'.format(a) }}", "{{ range(10000000) | list }}"):
            with self.subTest(template):
                with self.assertRaises(Fault) as caught:
                    text = render(template, rows)
                    self.fail(f"gave {text[:80]}")
                self.assertEqual(caught.exception.kind, "template_failed")
        self.assertEqual(rows, {"a": [1]})

    def test_a_row_that_fails_takes_no_other_with_it(self):
        made = render_rows({"templates": {"q": "{{a}}"}, "rows": [{"a": 1}, {}, {"a": 3}]}, None)["rows"]
        self.assertEqual(made[0], {"values": {"q": "1"}})
        self.assertEqual(made[1]["error"]["kind"], "template_failed")
        self.assertEqual(made[2], {"values": {"q": "3"}})


if __name__ == "__main__":
    unittest.main()
