"""The words of the built-in sample: what a note may say, in English and in Chinese.

All of it is invented. A finding is a noun phrase that reads well both affirmed
and denied; the grammar in `sample` affirms and denies it. No phrase names one
of the diagnoses.
"""

from __future__ import annotations

Language = str
ENGLISH, CHINESE = "en", "zh"

PROFILES: dict[str, dict[str, float]] = {
    "pneumonia": {
        "cough": 0.8, "fever": 0.7, "sputum": 0.6, "breathless": 0.5, "opacity": 0.5, "chest_pain": 0.4,
        "crackles": 0.4, "white_cells": 0.4,
    },
    "heart failure": {
        "breathless": 0.8, "swelling": 0.65, "orthopnoea": 0.6, "weight_gain": 0.45, "neck_veins": 0.45,
        "crackles": 0.45, "cough": 0.35, "opacity": 0.3, "chest_pain": 0.2,
    },
    "appendicitis": {
        "right_pain": 0.65, "belly_pain": 0.6, "vomiting": 0.6, "guarding": 0.55, "moved_pain": 0.5, "white_cells": 0.5,
        "fever": 0.4,
    },
    "migraine": {
        "headache": 0.8, "light": 0.6, "vomiting": 0.5, "aura": 0.5, "neck_pain": 0.4, "blurred": 0.35,
    },
    "urinary tract infection": {
        "dysuria": 0.65, "frequency": 0.6, "urine": 0.5, "fever": 0.5, "flank_pain": 0.5, "belly_pain": 0.4,
        "white_cells": 0.35, "vomiting": 0.3,
    },
    "diabetic ketoacidosis": {
        "thirst": 0.6, "vomiting": 0.6, "glucose": 0.5, "frequency": 0.5, "belly_pain": 0.5, "deep_breaths": 0.5,
        "drowsy": 0.45, "breathless": 0.35, "blurred": 0.3,
    },
}  # fmt: skip
"""How strongly each finding speaks for each diagnosis: the higher, the more of its notes affirm it."""

PATIENTS: dict[str, tuple[int, tuple[int, int]]] = {
    "pneumonia": (30, (25, 88)),
    "heart failure": (26, (52, 90)),
    "appendicitis": (21, (16, 60)),
    "migraine": (17, (18, 58)),
    "urinary tract infection": (20, (20, 86)),
    "diabetic ketoacidosis": (16, (17, 64)),
}
"""Patients of each diagnosis in each language, and their youngest and oldest age in years."""

COMMON = ("tired", "appetite", "dizzy", "aches", "sleep", "pulse")
"""Findings that any of the diagnoses may come with."""

FINDINGS: dict[Language, dict[str, tuple[str, ...]]] = {
    ENGLISH: {
        "fever": ("fever", "chills and a raised temperature", "rigors", "pyrexia since last night"),
        "cough": ("cough", "a dry cough", "coughing at night"),
        "sputum": ("green sputum", "productive cough", "rusty phlegm"),
        "breathless": ("shortness of breath", "SOB on exertion", "breathlessness on the stairs"),
        "chest_pain": ("chest pain", "sharp pain on breathing in", "chest tightness"),
        "crackles": ("crackles at the bases", "basal creps", "coarse crackles on the right"),
        "opacity": ("basal shadowing on CXR", "patchy opacity on the chest film", "a small effusion on CXR"),
        "white_cells": ("raised WBC", "neutrophilia", "raised CRP"),
        "orthopnoea": ("orthopnoea", "waking at night short of breath", "SOB lying flat"),
        "swelling": ("ankle swelling", "pitting oedema of both legs", "swollen feet by evening"),
        "weight_gain": ("weight gain of 4 kg", "recent weight gain", "tighter shoes and waistband"),
        "neck_veins": ("raised JVP", "distended neck veins", "a third heart sound"),
        "right_pain": ("RIF pain", "right lower abdominal pain", "tenderness in the right iliac fossa"),
        "belly_pain": ("abdominal pain", "tummy ache", "lower abdominal discomfort"),
        "moved_pain": ("pain moving from the umbilicus", "pain that shifted downwards", "pain worse on walking"),
        "vomiting": ("vomiting", "nausea", "N&V", "retching since morning"),
        "guarding": ("guarding", "rebound tenderness", "a rigid abdomen"),
        "headache": ("headache", "throbbing one-sided head pain", "pounding headache"),
        "light": ("photophobia", "dislike of bright light", "sensitivity to noise"),
        "aura": ("zigzag lines in vision", "flashing lights beforehand", "tingling of one hand beforehand"),
        "neck_pain": ("neck ache", "stiff shoulders", "neck stiffness"),
        "blurred": ("blurred vision", "trouble focusing", "misty eyesight"),
        "dysuria": ("dysuria", "burning on passing urine", "stinging when voiding"),
        "frequency": ("urinary frequency", "getting up to void at night", "passing urine very often"),
        "flank_pain": ("loin pain", "flank tenderness", "left sided back pain"),
        "urine": ("cloudy urine", "nitrites on dipstick", "blood on dipstick"),
        "thirst": ("thirst", "drinking several litres a day", "a dry mouth"),
        "deep_breaths": ("deep sighing breaths", "rapid deep breathing", "fruity breath"),
        "glucose": ("high capillary glucose", "sugar of 24 on the meter", "ketones on dipstick"),
        "drowsy": ("drowsiness", "confusion", "slow answers"),
        "tired": ("fatigue", "feeling washed out", "lethargy"),
        "appetite": ("poor appetite", "loss of appetite", "eating little"),
        "dizzy": ("dizziness", "light-headedness on standing", "a near faint"),
        "aches": ("body aches", "muscle aches", "general malaise"),
        "sleep": ("poor sleep", "broken nights", "trouble sleeping"),
        "pulse": ("tachycardia", "a fast regular pulse", "palpitations"),
    },
    CHINESE: {
        "fever": ("发热", "畏寒发热", "寒战", "体温升高"),
        "cough": ("咳嗽", "干咳", "夜间咳嗽"),
        "sputum": ("黄脓痰", "咳痰", "铁锈色痰"),
        "breathless": ("气促", "活动后气短", "上楼时呼吸困难"),
        "chest_pain": ("胸痛", "吸气时胸部刺痛", "胸闷"),
        "crackles": ("双肺底湿啰音", "右下肺湿啰音", "肺部啰音"),
        "opacity": ("胸片斑片影", "CXR下肺阴影", "少量胸腔积液"),
        "white_cells": ("WBC升高", "中性粒细胞升高", "CRP升高"),
        "orthopnoea": ("夜间阵发性呼吸困难", "平卧时气急", "夜间憋醒"),
        "swelling": ("双下肢水肿", "脚踝肿胀", "傍晚足部浮肿"),
        "weight_gain": ("体重增加", "近一周体重增加4kg", "腰围增大"),
        "neck_veins": ("颈静脉怒张", "颈静脉充盈", "第三心音"),
        "right_pain": ("右下腹痛", "麦氏点压痛", "右下腹压痛"),
        "belly_pain": ("腹痛", "肚子痛", "下腹部不适"),
        "moved_pain": ("转移性腹痛", "脐周痛后下移", "走路时疼痛加重"),
        "vomiting": ("呕吐", "恶心", "恶心呕吐", "干呕"),
        "guarding": ("反跳痛", "腹肌紧张", "板状腹"),
        "headache": ("头痛", "一侧搏动性头部疼痛", "胀痛样头痛"),
        "light": ("畏光", "怕光怕吵", "对声音敏感"),
        "aura": ("眼前闪光", "视野锯齿样亮线", "发作前手麻"),
        "neck_pain": ("颈部酸痛", "肩颈僵硬", "颈项不适"),
        "blurred": ("视物模糊", "视野发雾", "视力下降"),
        "dysuria": ("尿痛", "排尿灼热感", "小便刺痛"),
        "frequency": ("尿频", "夜尿增多", "小便次数多"),
        "flank_pain": ("腰痛", "肾区叩击痛", "左侧腰背痛"),
        "urine": ("尿液混浊", "尿亚硝酸盐阳性", "镜下血尿"),
        "thirst": ("口渴", "多饮", "口干"),
        "deep_breaths": ("深大呼吸", "呼吸深快", "呼气有烂苹果味"),
        "glucose": ("随机血糖升高", "指尖血糖24", "尿酮体阳性"),
        "drowsy": ("嗜睡", "意识模糊", "反应迟钝"),
        "tired": ("乏力", "精神差", "疲倦"),
        "appetite": ("食欲减退", "纳差", "进食少"),
        "dizzy": ("头晕", "起身时头昏", "几乎晕倒"),
        "aches": ("全身酸痛", "肌肉酸痛", "周身不适"),
        "sleep": ("睡眠差", "夜间易醒", "入睡困难"),
        "pulse": ("心率快", "脉搏增快", "心悸"),
    },
}
"""How each finding is written."""

SIGNS = frozenset({"crackles", "opacity", "white_cells", "neck_veins", "guarding", "urine", "glucose", "deep_breaths"})
"""The findings that are seen or measured; a patient neither reports nor denies them."""

SYMPTOM: dict[Language, tuple[str, ...]] = {
    ENGLISH: ("Reports {}.", "Complains of {}.", "Troubled by {}.", "{}.", "Has had {}."),
    CHINESE: ("诉{}。", "有{}。", "{}。", "出现{}。", "伴{}。"),
}
SIGN: dict[Language, tuple[str, ...]] = {
    ENGLISH: ("{}.", "Noted: {}.", "Found to have {}.", "O/E and tests: {}."),
    CHINESE: ("{}。", "检查见{}。", "提示{}。"),
}
DENIED: dict[Language, tuple[str, ...]] = {
    ENGLISH: ("No {}.", "Denies {}.", "Without {}.", "Has not had {}."),
    CHINESE: ("无{}。", "否认{}。", "没有{}。", "不伴{}。"),
}
ABSENT: dict[Language, tuple[str, ...]] = {
    ENGLISH: ("No {}.", "Without {}.", "Negative for {}."),
    CHINESE: ("无{}。", "未见{}。", "没有{}。"),
}
JOINS: dict[Language, tuple[str, ...]] = {ENGLISH: (", ", " and "), CHINESE: ("、", "，", "及")}
DENIED_JOIN: dict[Language, str] = {ENGLISH: " or ", CHINESE: "、"}

FIRST_VISIT: dict[Language, tuple[str, ...]] = {
    ENGLISH: (
        "{age} y/o {sex}, unwell for {n} days.",
        "{sex} aged {age}, seen in the ED, onset {n} days ago.",
        "Pt is a {age} yr old {sex} referred by the GP after {n} days.",
        "Came in by ambulance; {sex}, {age}, symptoms for {n} days.",
    ),
    CHINESE: (
        "患者{sex}，{age}岁，不适{n}天。",
        "{sex}，{age}岁，起病{n}天来急诊。",
        "{age}岁{sex}患者，由社区医院转来，病程{n}天。",
        "患者{age}岁，{sex}，因不适{n}天就诊。",
    ),
}
LATER_VISIT: dict[Language, tuple[str, ...]] = {
    ENGLISH: (
        "Ward round, day {n}: comfortable, still some symptoms.",
        "Reviewed on day {n}, {sex} {age}, slept a little better.",
        "F/U visit after {n} days, partly improved.",
    ),
    CHINESE: (
        "住院第{n}天查房，一般情况可。",
        "{n}天后复诊，{sex}，{age}岁，症状部分好转。",
        "第{n}天随访，较前稍好转。",
    ),
}
HISTORY: dict[Language, tuple[str, ...]] = {
    ENGLISH: (
        "PMH: hypertension.", "PMH: T2DM on metformin.", "Ex-smoker, 20 pack years.", "Known asthma.",
        "Drinks socially.", "Penicillin allergy.", "Lives alone.", "No regular medication.",
        "Previous hip replacement.", "PMH: AF on apixaban.", "Family history of stroke.", "Works nights.",
        "Recent travel by coach.",
    ),
    CHINESE: (
        "既往高血压病史。", "既往2型糖尿病，口服二甲双胍。", "吸烟史20年，已戒。", "既往哮喘。", "偶饮酒。",
        "青霉素过敏。", "独居。", "未长期服药。", "曾行髋关节置换术。",
        "房颤，服用阿哌沙班。", "父亲有脑卒中史。", "经常熬夜。", "近期有长途旅行。",
    ),
}  # fmt: skip
PLAN: dict[Language, tuple[str, ...]] = {
    ENGLISH: (
        "Bloods sent.", "IV access and fluids.", "Will review after results.", "Discussed with the senior on call.",
        "Obs 4 hourly.", "ECG done.", "Imaging requested.", "Family informed.", "Seen with [**Name**].",
    ),
    CHINESE: (
        "已抽血送检。", "建立静脉通路补液。", "待结果回报后再评估。", "已请示上级医师。",
        "每4小时测生命体征。", "已做心电图。", "已申请影像检查。", "已告知家属。", "与[**姓名**]医师共同查看。",
    ),
}  # fmt: skip
SEXES: dict[Language, dict[str, str]] = {ENGLISH: {"F": "woman", "M": "man"}, CHINESE: {"F": "女性", "M": "男性"}}
VITALS: dict[Language, str] = {
    ENGLISH: "T {temperature:.1f}, HR {pulse}, BP {systolic}/{diastolic}, sats {saturation}%.",
    CHINESE: "T {temperature:.1f}℃，P {pulse}次/分，BP {systolic}/{diastolic}mmHg，SpO2 {saturation}%。",
}
