"""The cast and the catalogue of the demo company: whom and what its two years are told about.

Everybody here is invented. Weights are basis points, sums are whole units of their currency.
"""

from datetime import date
from typing import NamedTuple

from domain.directory_commands import DefineActionType
from domain.events import Titles
from domain.values import ActionTypeCode, ManagerId


class Person(NamedTuple):
    """`tempo`: actions in 100 working days. `quiet_days`: how long they have stood still by now."""

    name: str
    team: int
    tempo: int
    quiet_days: int = 0

    @property
    def manager_id(self) -> ManagerId:
        given, family = self.name.lower().translate(_LATIN).split()
        return ManagerId(f"{given}-{family}")


_LATIN = {
    ord(cyrillic): latin
    for cyrillic, latin in zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        [
            "a",
            "b",
            "v",
            "g",
            "d",
            "e",
            "e",
            "zh",
            "z",
            "i",
            "y",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p",
            "r",
            "s",
            "t",
            "u",
            "f",
            "kh",
            "ts",
            "ch",
            "sh",
            "shch",
            "",
            "y",
            "",
            "e",
            "yu",
            "ya",
        ],
        strict=True,
    )
}

TEAMS = ("Москва и Центр", "Северо-Запад", "Поволжье и Урал", "Сибирь и Дальний Восток")
TARGETS = (600, 500, 450, 400)
"""What each team is to gain in a quarter, in millions of roubles."""
TARGET_ACTIONS = 20
"""What the first three managers are to do in it."""
TARGET_REASON, TARGET_WITHDRAWN = "План на квартал", "Поставлена не той команде"

PEOPLE = (
    Person("Анна Соколова", 0, 38),
    Person("Дмитрий Лебедев", 0, 27),
    Person("Мария Воронцова", 0, 31),
    Person("Игорь Панфилов", 0, 16, quiet_days=52),
    Person("Елена Кравцова", 0, 24),
    Person("Сергей Никифоров", 1, 30),
    Person("Ольга Белоусова", 1, 34),
    Person("Павел Громов", 1, 13),
    Person("Наталья Ершова", 1, 22),
    Person("Рустам Галеев", 2, 35),
    Person("Виктор Тарасов", 2, 19, quiet_days=75),
    Person("Светлана Мухина", 2, 28),
    Person("Алексей Дорохов", 2, 25),
    Person("Юлия Астахова", 3, 29),
    Person("Артём Зимин", 3, 21, quiet_days=33),
    Person("Ксения Лапина", 3, 26),
)

MOVES = ((255, 4, 1), (515, 12, 3))
"""Who changes the team: days after the beginning, place in PEOPLE, place in TEAMS."""


class Kind(NamedTuple):
    """An action type, and the progress of a deal (basis points) from which it makes sense."""

    code: str
    ru: str
    en: str
    weight: int
    sensible_from: int = 0
    at_most: int | None = 1
    proof: str | None = None
    confirmed: bool = False

    def definition(self, effective_from: date) -> DefineActionType:
        return DefineActionType(
            code=ActionTypeCode(self.code),
            title=Titles(ru=self.ru, en=self.en),
            weight=self.weight,
            effective_from=effective_from,
            max_per_deal=self.at_most,
            evidence_required=self.proof is not None,
            needs_confirmation=self.confirmed,
        )


STEPS = (
    Kind("exhibition-contact", "Контакт на отраслевой выставке", "Contact at a trade fair", 50),
    Kind(
        "first-contact",
        "Первый контакт с лицом, принимающим решение",
        "First contact with the decision maker",
        100,
    ),
    Kind(
        "decision-map",
        "Составлена карта принятия решения",
        "Map of the client's decision makers drawn",
        150,
    ),
    Kind(
        "design-data",
        "Собраны данные для проектирования",
        "Data for design collected",
        200,
        at_most=2,
    ),
    Kind(
        "site-survey",
        "Обследован объект клиента",
        "Client's site surveyed",
        250,
        300,
        at_most=3,
        proof="Акт обследования объекта",
    ),
    Kind(
        "decision-maker-meeting",
        "Встреча с лицом, принимающим решение",
        "Meeting with the decision maker",
        100,
        500,
        at_most=None,
    ),
    Kind(
        "layout-agreed",
        "Согласована расстановка стеллажей и холода",
        "Layout of shelving and refrigeration agreed",
        300,
        700,
    ),
    Kind("energy-study", "Расчёт энергопотребления холода", "Energy study of the cold", 200, 900),
    Kind(
        "proposal-presented",
        "Технико-коммерческое предложение представлено лицу, принимающему решение",
        "Technical-commercial proposal presented to the decision maker",
        500,
        1000,
        at_most=2,
        proof="Протокол презентации ТКП",
    ),
    Kind(
        "reference-visit",
        "Визит клиента в действующий магазин",
        "Client's visit to a reference store",
        400,
        1200,
        at_most=2,
    ),
    Kind(
        "proposal-revised",
        "Предложение доработано по замечаниям клиента",
        "Proposal revised to the client's remarks",
        200,
        1800,
        at_most=3,
    ),
    Kind(
        "technical-approval",
        "Техническая служба клиента согласовала решение",
        "Approved by the client's engineers",
        400,
        2000,
        confirmed=True,
    ),
    Kind(
        "executive-meeting",
        "Встреча первых лиц компаний",
        "Meeting of the two chief executives",
        300,
        2200,
        at_most=2,
        confirmed=True,
    ),
    Kind(
        "financing-agreed",
        "Согласована схема оплаты и лизинга",
        "Payment and leasing scheme agreed",
        400,
        2500,
    ),
    Kind(
        "pilot-started",
        "Запущен пилот в одном магазине",
        "Pilot started in one store",
        500,
        2600,
        proof="Акт ввода пилотной зоны",
    ),
    Kind(
        "pilot-accepted",
        "Пилот принят клиентом",
        "Pilot accepted by the client",
        700,
        3200,
        proof="Акт приёмки пилота",
        confirmed=True,
    ),
    Kind(
        "logistics-agreed",
        "Согласованы логистика и очереди поставки",
        "Logistics and delivery stages agreed",
        250,
        3300,
        at_most=2,
    ),
    Kind(
        "budget-approved",
        "Бюджет утверждён советом директоров клиента",
        "Budget approved by the client's board",
        800,
        3500,
        proof="Выписка из решения совета",
        confirmed=True,
    ),
    Kind(
        "letter-of-intent",
        "Получено письмо о намерениях",
        "Letter of intent received",
        800,
        4000,
        proof="Письмо о намерениях",
        confirmed=True,
    ),
    Kind(
        "installation-plan",
        "Согласован график монтажа кассовых зон и холода",
        "Installation schedule of cash zones and refrigeration agreed",
        200,
        4200,
        at_most=3,
    ),
    Kind("contract-draft", "Согласован проект договора", "Contract draft agreed", 600, 4500),
    Kind(
        "second-phase",
        "Согласован объём следующей очереди магазинов",
        "Scope of the next wave of stores agreed",
        400,
        6500,
        at_most=3,
    ),
)

LATER_STEP = Kind(
    "service-terms", "Согласованы условия сервиса", "Service terms agreed", 200, 3000, at_most=2
)
"""Comes into the catalogue in the second year."""

SETBACKS = (
    Kind(
        "decision-maker-left",
        "Лицо, принимающее решение, ушло",
        "The decision maker has left",
        -400,
        1000,
        at_most=None,
    ),
    Kind(
        "competitor-shortlisted",
        "Конкурент вошёл в короткий список",
        "A competitor is on the shortlist",
        -300,
        1500,
        at_most=2,
    ),
    Kind(
        "budget-cut",
        "Клиент урезал бюджет проекта",
        "The client has cut the budget",
        -500,
        2000,
        at_most=2,
        confirmed=True,
    ),
)

RETIRED = ("exhibition-contact", 440)
"""Code, and from how many days after the beginning nobody can record it."""
LATER_STEP_FROM = 400
NEW_WEIGHTS = (
    ("energy-study", 250, 310, "Расчёт теперь включает рекуперацию тепла"),
    ("executive-meeting", 250, 500, "Встречи проходят чаще, чем предполагал регламент"),
)
"""Code, weight, days after the beginning, reason."""

CLIENTS = (
    "Торговый дом «Северный ветер»",
    "Сеть «Хлебный двор»",
    "Гипермаркеты «Околица»",
    "Сеть «Берёзовая роща»",
    "Универсамы «Добрый сосед»",
    "Торговая группа «Каравелла»",
    "Сеть «Рыбный ряд»",
    "Супермаркеты «Зелёный квартал»",
    "Холдинг «Меридиан Ритейл»",
    "Сеть «Уральский погреб»",
    "Дискаунтеры «Копилка»",
    "Торговый дом «Три медведя»",
    "Сеть «Байкал Маркет»",
    "Гипермаркеты «Простор»",
    "Сеть «Волжанка»",
    "Строймаркеты «Мастеровой»",
    "Аптечная сеть «Ромашка»",
    "Распределительные центры «Узел»",
    "Сеть «Тихая гавань»",
    "Торговая группа «Полюс»",
    "Сеть «Южный сад»",
    "Супермаркеты «Пять минут»",
    "Мясокомбинат «Приволье»",
    "Сеть «Енисей»",
)
FOREIGN_CLIENTS = {
    "KZT": ("Сеть «Алатау»", "Гипермаркеты «Достык»"),
    "CNY": ("Торговая группа «Амурский мост»", "Сеть «Восточный порт»"),
}
SUBJECTS = (
    "Холодильная линия для гипермаркета",
    "Стеллажи и кассовые зоны",
    "Холодоснабжение распределительного центра",
    "Оснащение сети магазинов",
    "Стеллажная система склада",
    "Низкотемпературные камеры",
    "Кассы самообслуживания и прикассовая зона",
    "Реконструкция торгового зала",
    "Автоматизация логистического центра",
)
CITIES = (
    ("Москва", "Тула", "Ярославль", "Воронеж", "Рязань"),
    ("Санкт-Петербург", "Псков", "Великий Новгород", "Калининград", "Мурманск"),
    ("Казань", "Самара", "Екатеринбург", "Пермь", "Уфа"),
    ("Новосибирск", "Красноярск", "Иркутск", "Хабаровск", "Владивосток"),
)
"""By team."""

COMMENTS = (
    "Ждут расчёт окупаемости к следующей встрече",
    "Просят показать решение на объекте с похожим форматом",
    "Сравнивают с решением на выносном холоде",
    "Договорились о следующем шаге на будущую неделю",
    "Нужны данные по нагрузке на сеть",
    "Решение примут после отчётности за квартал",
    "Интересует поставка двумя очередями",
)
REJECTIONS = (
    "Нет подписи клиента в протоколе",
    "Встреча прошла без лица, принимающего решение",
    "Документ относится к другому объекту",
)
WITHDRAWALS = (
    "Запись внесена дважды",
    "Клиент отозвал согласование",
    "Действие относится к другой сделке",
)
NEW_RATINGS = (
    "Согласована только часть объёма",
    "Присутствовали не все участники решения",
    "Выполнено шире, чем предусмотрено регламентом",
)
CHECK_REASONS = (
    "Клиент изменил число магазинов в проекте",
    "Уточнена спецификация оборудования",
    "Изменился курс и цена комплектующих",
    "В проект добавлен распределительный центр",
)
HANDOVER_REASONS = (
    "Объект перешёл в другой регион",
    "Выравнивание загрузки в команде",
    "Клиент попросил сменить менеджера",
)
PAUSES = (
    "Клиент заморозил проект до утверждения бюджета",
    "Стройка объекта задерживается",
    "Смена собственника у клиента",
)
LOSSES = (
    "Выбрали конкурента по цене",
    "Проект закрыт клиентом",
    "Клиент решил ремонтировать старое оборудование",
    "Не прошли тендер",
)
REOPENINGS = (
    "Конкурент сорвал сроки, клиент вернулся",
    "Клиент возобновил проект",
)
UNDONE_WIN = "Договор расторгнут до поставки, переговоры продолжаются"
MONTH_REOPENED = "Не учтено действие, подтверждённое документом клиента"
FORGOTTEN = "Внесено после сверки с документами клиента"
